/*
 * secured - how connections of scripts are secured: what their peers have to show, and sessions.
 *
 * Connections for which a script asks for the same share one entry, with the last session. Files
 * are read when the first one needs them, and again when they have changed.
 */
#ifndef DIAL_SECURED_H
#define DIAL_SECURED_H

#include "base/check.h"
#include "net/tls_remote.h"

struct secured_wish {  /* borrows its texts */
    struct slice name; /* that the peer's certificate has to have: a host name or an IP address */
    const char *ca, *cert, *key; /* paths, or NULL: as of a backend (config/remotes.h) */
    bool verify, is_http;
};

/* A copy with its texts, in one block: mem_free. */
struct secured_wish *secured_wish_copy(const struct secured_wish *);

struct secured;

/* May read files, and takes milliseconds then: never inside a call of a script. One use more.
 * NULL: *why says why not, until the next call. */
struct secured *secured_use(const struct secured_wish *, uint64_t now_ms,
                            const char **why) MUST_USE;
struct secured *secured_hold(struct secured *); /* one use more; NULL of NULL */
void secured_release(struct secured *);         /* NULL is fine */
struct tls_target *secured_target(struct secured *);

#endif
