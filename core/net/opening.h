/*
 * opening - up to three connections to one address; the first that opens serves.
 *
 *   0 ms        250 ms        600 ms
 *   first ------------------------------->   The kernel sends a lost SYN again after 1 s.
 *               second ------------------>   A second connection sends its own SYN sooner,
 *                             third ----->   so a lost SYN costs a quarter of a second.
 *
 * A refusal of one connection ends all of them; silence of one says nothing about the
 * others. Extra connections are at most a tenth of the connections begun in the
 * last 10 s, but one opening at a time may always have its two. A unix socket loses
 * nothing, so it has none.
 *
 * An opening that insists begins a connection every 250 ms until the owner's limit, as it alone
 * finds out whether somebody listens again: the oldest makes room for it, and none is extra.
 *
 * What a connection is, the owner knows; the owner has the time limit, too.
 */
#ifndef NET_OPENING_H
#define NET_OPENING_H

#include "base/allowance.h"
#include "base/check.h"
#include "net/deadline.h"

#include <netinet/in.h>

enum { OPENING_TRIES = 3 };

struct opening_account { /* of all openings to one backend; zeros at first */
    struct allowance extras;
    unsigned helped; /* openings under way that have extra connections */
};

struct opening;

struct opening_kind {
    /* Begins a connection to opening->to. 0, or a negative libuv code: nothing is left then. */
    int (*begin)(struct opening *, void **connection);
    void (*close)(void *connection);
};

struct opening { /* embedded in the owner */
    const struct opening_kind *kind;
    struct loop *loop;
    const struct sockaddr *to;
    struct opening_account *account;
    struct deadline next;
    void *connections[OPENING_TRIES]; /* that are under way */
    unsigned count;
    unsigned begun;
    bool insists; /* for the owner to set, before it starts */
};

void opening_init(struct opening *, const struct opening_kind *);
/* Begins the first one. 0, or a negative libuv code: the opening is over. Borrows the address and
 * the account until the opening is over. within_ms: the owner's limit; no extra one begins after
 * it. */
int opening_start(struct opening *, struct loop *, const struct sockaddr *to,
                  struct opening_account *, uint64_t within_ms) MUST_USE;
/* This one has connected, and opens after what its owner still does with it: the others are closed,
 * and none follows. */
void opening_settle(struct opening *, void *connection);
/* This one has opened, and is the owner's. The others are closed: the opening is over. */
void opening_won(struct opening *, const void *connection);
/* This one has failed, and is closed. True: the opening is over, and the others are closed, too. */
bool opening_lost(struct opening *, void *connection, int code) MUST_USE;
void opening_stop(struct opening *); /* closes all; in any state */

#endif
