/*
 * edition - the script that all processes go by, handed to those that run already.
 *
 * The first edition is what lb was started with, which every process inherits. A
 * later one is text in memory that all share: the settings, evaluated once and
 * written as a script of plain values, so that they are the same everywhere
 * whatever the script's own way to them is; and the script itself, with its modules. The supervisor
 * writes it, and tells who runs; who starts later finds it. Two texts take turns,
 * and the one before the current is written over only when nobody reads it.
 *
 * The third text is the draft: what the child that tries a changed script leaves.
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
    struct config about; /* no pointer in it is anybody's: what the settings' text does not tell */
    uint32_t backends, settings_bytes, script_bytes, modules_bytes;
    bool is_first; /* what everybody has inherited, and need not read */
    char settings[EDITION_SETTINGS_BYTES];
    char script[EDITION_SCRIPT_BYTES];
    char modules[EDITION_MODULES_BYTES]; /* lua/bundle.h */
};

struct edition_answers { /* what those say who go by it: a mapping of its own, as they write it */
    _Atomic uint64_t checked; /* by the monitor: each backend of this one was checked once */
    _Atomic uint64_t refused; /* a worker cannot load this one, */
    _Atomic uint32_t refusing;
    char refusal[EDITION_REFUSAL_BYTES]; /* and why: written by the worker that set `refusing` */
};

struct edition {              /* one mapping, shared */
    _Atomic uint64_t current; /* for the workers */
    _Atomic uint64_t offered; /* for the monitor, which is told first: current, or the next */
    _Atomic uint32_t turn; /* workers that run already and may load it: those with lower numbers */
    _Atomic uint64_t taken_back; /* the one after it is the one before it again */
    struct edition_answers *answers;
    struct edition_text texts[2], draft;
};

struct edition *edition_new(void) MUST_USE; /* NULL and errno if the system refuses */
void edition_free(struct edition *);

/* In the child. False: it is too large, and *error says so. */
bool edition_draft(struct edition *, const struct config *, struct buffer *error) MUST_USE;
/* In the supervisor: the draft, its slots filled in, is the next edition, for the monitor. */
void edition_offer(struct edition *);
void edition_follow(struct edition *); /* and for the workers, one after the other */
void edition_allow(struct edition *, unsigned workers); /* the first ones of them may load it */
void edition_keep(struct edition *, uint64_t number);   /* the draft is this one; for the first */
const struct edition_text *edition_current(const struct edition *);
/* The current one is taken back: the one before it is the next one, for all. */
void edition_take_back(struct edition *);
const char *
edition_refusal(const struct edition *); /* why a worker cannot load the current; NULL */

/* In a worker and in the monitor, before anything else: from now on a write to it, by whatever
 * mistake, ends the process, and no other one goes by what it wrote. */
void edition_only_read(struct edition *);
/* In a worker that has a script: is it its turn to load the current one? */
bool edition_may_load(const struct edition *, unsigned worker);
/* In a worker: it cannot load that one. The first to say so is heard. */
void edition_refuse(struct edition *, uint64_t number, const char *why);
/* In the others: is it what they have inherited? */
bool edition_is_first(const struct edition *, uint64_t number);
/* Is it the same script as that earlier one? */
bool edition_is_again(const struct edition *, uint64_t number, uint64_t earlier);
/* In the others: the settings of an edition but the first, with what cannot change as it is in
 * `first`. NULL and a message if there is no memory, say. */
struct config *edition_load(const struct edition *, uint64_t number, const struct config *first,
                            struct segment *, struct buffer *error) MUST_USE;

#endif
