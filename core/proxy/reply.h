/*
 * reply - the answers that we write ourselves.
 */
#ifndef PROXY_REPLY_H
#define PROXY_REPLY_H

#include "client/incoming.h"
#include "policy/facts.h"

struct reply {
    unsigned status;
    struct slice body; /* borrowed; must live as long as the incoming's arena */
    const struct facts_field *fields;
    unsigned fields_count;
    unsigned retry_after_s; /* 0: no such field */
};

/* Sends head and body, but for answers that have none. Gives the body's bytes. */
size_t reply_send(struct incoming *, const struct reply *);

/* The same for an answer that the policy gave. */
size_t reply_decided(struct incoming *, const struct facts_decision *);

/* "503 Service Unavailable: no backend is available\n", in the arena. */
struct slice reply_text(struct arena *, unsigned status, struct slice why);
const char *reply_reason(unsigned status); /* "" if the status has no name */

#endif
