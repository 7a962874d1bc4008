/*
 * decisions - how requests went and why, of each worker's last ones, for the admin process.
 *
 * Each worker has two rings of records in the segment: of requests that went wrong, and of some of
 * the others. A worker writes a record when the request is over, by plain stores: nobody waits for
 * it, and it makes no system call. A version next to each record is odd while it is being written,
 * so a reader skips what is half written, and also what a worker left so that was killed in the
 * middle. Records are texts and numbers, never pointers, and name backends by their names: a reload
 * changes nothing in them.
 */
#ifndef SHARED_DECISIONS_H
#define SHARED_DECISIONS_H

#include "base/slice.h"
#include "shared/segment.h"

enum decisions_ring { DECISIONS_USUAL, DECISIONS_WRONG, DECISIONS_RINGS };

enum {
    DECISION_ITEMS_BYTES = DECISION_BYTES - 72,
    DECISION_NAME_MAX = 40, /* bytes of a backend's name; of a longer one, "..." are the last */
};

/* One request. Its texts are items, one behind the other. */
struct decision {
    uint64_t ended_us; /* since 1970 */
    char id[16];
    uint64_t edition, total_us;
    uint32_t queue_us, policy_us;  /* an hour at most */
    uint32_t backends, available;  /* of the script, and those that the first choose could have */
    uint16_t status, client_port;  /* 0: nobody says which */
    uint16_t items_bytes;          /* how many are used */
    uint8_t has_chosen, is_panic;  /* the first choose was asked; as health.panic says, of all */
    uint8_t is_cut;                /* there was no room for what follows */
    uint8_t by_fallback, is_wrong; /* is_wrong: in that ring */
    uint8_t attempts, retries;
    int8_t grpc_status; /* GRPC_STATUS_NONE, as in the access log; 127: or more */
    uint8_t unused[2];
    char items[DECISION_ITEMS_BYTES];
};

/* What an item says; other numbers need another SEGMENT_LAYOUT. Those that begin with DECISION_TRY
 * belong to the last DECISION_TRY, and in the same way with DECISION_OUT. */
enum decision_says {
    DECISION_CLIENT,
    DECISION_METHOD,
    DECISION_TARGET,
    DECISION_TRACE,
    DECISION_NOTE,
    DECISION_WHY,
    DECISION_EXPLAIN_KEY,
    DECISION_EXPLAIN_TEXT,    /* of the last key */
    DECISION_EXPLAIN_LITERAL, /* the same, as JSON */
    DECISION_TRY,             /* the backend's name; number: how long it took, in us */
    DECISION_TRY_TIMES,       /* number; if so many in a row went like that: us of all of them */
    DECISION_TRY_CHOSEN_BY,   /* which rule has chosen the backend */
    DECISION_TRY_COMPARED,    /* a backend's name; value: its number in that rule */
    DECISION_TRY_OUTCOME,     /* if it is not ok */
    DECISION_TRY_ERROR,
    DECISION_TRY_STATUS, /* number; of an answer that was thrown away */
    DECISION_TRY_SAID,   /* what the script wanted then, or the default rule */
    DECISION_TRY_THEN,   /* what came */
    DECISION_TRY_DENIED, /* why it is not the same */
    DECISION_OUT,        /* the name of a backend that was out; number: since how many ms */
    DECISION_OUT_STATE,
    DECISION_OUT_WHY,
};

struct decision_item {
    enum decision_says says;
    struct slice text;
    union {
        uint64_t number;
        double value;
    };
};

/* For the worker, into a decision that begins with zeros. Of a text that is longer than `most`, or
 * than 200 bytes, the end is left out. Without room for an item, neither it nor any later one is
 * there, and is_cut says so. */
void decision_put(struct decision *, const struct decision_item *, size_t most);
static inline void decision_put_text(struct decision *d, enum decision_says says, struct slice text,
                                     size_t most)
{
    decision_put(d, &(struct decision_item){.says = says, .text = text}, most);
}

/* The worker's next place in that ring, of which the first `keep` places are used. */
void decisions_keep(struct segment *, unsigned worker, const struct decision *, unsigned keep);

/* --- for readers --- */

/* How many places of a worker's ring were ever used: the first ones. */
unsigned decisions_used(const struct segment *, unsigned worker, enum decisions_ring);
/* False: there is none, or it is being written just now. */
bool decisions_read(const struct segment *, unsigned worker, enum decisions_ring, unsigned place,
                    struct decision *out) MUST_USE;
struct segment_decision *decisions_place(const struct segment *, unsigned worker,
                                         enum decisions_ring, unsigned place);
/* The item at *at, which is behind it then: 0 at first. False: there are no more. Borrows the
 * text. */
bool decision_next(const struct decision *, size_t *at, struct decision_item *out);

#endif
