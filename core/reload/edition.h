/*
 * edition - the script that all processes go by, handed to those that run already.
 *
 * The first edition is what lb was started with; every process inherits it. A later edition is text
 * in memory that all share: the settings, evaluated once and written as a script of plain values,
 * so that every process has the same; and the script itself, with its modules. The supervisor
 * writes it. There are two texts in turn: the one before the current is written over only when
 * nobody reads it any more. A third one is the draft, which the child that tries a script leaves.
 */
#ifndef RELOAD_EDITION_H
#define RELOAD_EDITION_H

#include "base/buffer.h"
#include "config/config.h"
#include "shared/segment.h"

#include <stdatomic.h>

enum {
    EDITION_FIRST = 1,
    EDITION_SETTINGS_BYTES = 16 << 20,
    EDITION_SCRIPT_BYTES = 4 << 20,
    EDITION_MODULES_BYTES = 16 << 20,
    EDITION_REFUSAL_BYTES = 1000,
};

struct edition_text {
    uint64_t identities[SEGMENT_BACKENDS_MAX]; /* of the backends, in order: shared/slots.h */
    uint16_t slots[SEGMENT_BACKENDS_MAX];      /* theirs; for the draft not yet known */
    struct config about; /* what the settings' text leaves out; its pointers mean nothing here */
    uint32_t backends, settings_bytes, script_bytes, modules_bytes;
    bool has_new_files; /* only files of certificates differ from the edition before */
    bool is_first;      /* what every process has inherited, and need not read */
    char settings[EDITION_SETTINGS_BYTES];
    char script[EDITION_SCRIPT_BYTES];
    char modules[EDITION_MODULES_BYTES];              /* lua/bundle.h */
    struct roster_entry roster[SEGMENT_BACKENDS_MAX]; /* the backends, in order */
    struct vault certificates;                        /* config/certificates.h */
};

struct edition_answers {       /* of workers and monitor: a mapping of its own, as they write it */
    _Atomic uint64_t checked;  /* the monitor has checked each backend of this one once */
    _Atomic uint64_t refused;  /* a worker cannot load this one, */
    _Atomic uint32_t refusing; /* which the first worker that says so sets, */
    char refusal[EDITION_REFUSAL_BYTES]; /* and this is why */
};

struct edition {                 /* one mapping, shared */
    _Atomic uint64_t current;    /* for the workers */
    _Atomic uint64_t offered;    /* for the monitor, which comes first: current, or the next */
    _Atomic uint32_t turn;       /* workers with lower numbers may load it */
    _Atomic uint64_t taken_back; /* the edition after this one is the one before it again */
    struct edition_answers *answers;
    struct edition_text texts[2], draft;
};

static inline struct slice edition_settings(const struct edition_text *text)
{
    return (struct slice){text->settings, text->settings_bytes};
}

static inline struct slice edition_script(const struct edition_text *text)
{
    return (struct slice){text->script, text->script_bytes};
}

static inline struct slice edition_modules(const struct edition_text *text)
{
    return (struct slice){text->modules, text->modules_bytes};
}

/* many: a listener has TLS, as it cannot get it later. NULL and errno if the system refuses. */
struct edition *edition_new(bool has_many_certificates) MUST_USE;
void edition_free(struct edition *);

/* In the child that tries a script. False: it is too large, and *error says so. */
bool edition_draft(struct edition *, const struct config *, struct buffer *error) MUST_USE;

/* In the supervisor. The draft, its slots filled in, becomes the next edition: for the monitor,
 * then for the workers, and of those for the first ones. */
void edition_offer(struct edition *);
void edition_follow(struct edition *);
void edition_allow(struct edition *, unsigned workers);
/* Who the backends are, by slot, for processes without a script: of a text, of the first one. */
void edition_call_the_roll(const struct edition_text *, struct segment *);
void edition_call_the_first(const struct config *, struct segment *);
void edition_keep(struct edition *, uint64_t number); /* the draft is this one; for the first */
const struct edition_text *edition_current(const struct edition *);
/* What the settings' text of the current one leaves out: `about` of its text, or `first`. */
const struct config *edition_about(const struct edition *, const struct config *first);
void edition_take_back(struct edition *); /* the edition before is the next one, for all */
const char *edition_refusal(const struct edition *); /* why a worker cannot load it; or NULL */

/* In workers and the monitor, before anything else: a write to the texts by mistake ends the
 * process, and no other process goes by what it wrote. */
void edition_only_read(struct edition *);
bool edition_may_load(const struct edition *, unsigned worker); /* is it this worker's turn? */
/* A worker cannot load that one. Only the first reason is kept. */
void edition_refuse(struct edition *, uint64_t number, const char *why);
bool edition_is_first(const struct edition *, uint64_t number); /* what was inherited */
/* Is it the same script as that earlier one? */
bool edition_is_again(const struct edition *, uint64_t number, uint64_t earlier);
/* In a worker that runs the earlier edition: do only files of certificates differ? Then it may take
 * these files alone, into the settings that it has. */
bool edition_has_new_files(const struct edition *, uint64_t number, uint64_t earlier);
void edition_take_files(const struct edition *, uint64_t number, struct config *);
/* The settings of an edition other than the first; what cannot change is as in `first`. NULL and a
 * message, if there is no memory, for instance. */
struct config *edition_load(const struct edition *, uint64_t number, const struct config *first,
                            struct segment *, struct buffer *error) MUST_USE;

#endif
