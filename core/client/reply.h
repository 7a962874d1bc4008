/*
 * reply - the answers that we write ourselves.
 */
#ifndef CLIENT_REPLY_H
#define CLIENT_REPLY_H

#include "client/incoming.h"
#include "config/config.h"

struct reply {
    unsigned status;
    struct slice body; /* borrowed; must live as long as the incoming's arena */
    struct slice type; /* Content-Type of a body whose fields have none; empty: text/plain */
    const struct field *fields;
    unsigned fields_count;
    /* Of the setting `pages`, or NULL: those of the status, and of all. A field that is among those
     * before them is not added. */
    const struct config_pairs *page_headers, *pages_headers;
    unsigned retry_after_s; /* 0: no such field */
};

/* Sends head and body, but for answers that have none. Gives the body's bytes. */
size_t reply_send(struct incoming *, const struct reply *);

/* A status of our own: the body is that of the setting `pages`, else text, or JSON for a client
 * whose Accept takes that and no text. why may be empty; retry_after_s 0: no such field. */
size_t reply_error(struct incoming *, const struct config *, unsigned status, struct slice why,
                   unsigned retry_after_s);

/* TRACE or OPTIONS that ends here (RFC 9110, 7.6.2, 9.3.7 and 9.3.8). With 200 the way of the
 * request, of its head, or what we can do; with 405, no TRACE. */
size_t reply_last_hop(struct incoming *, const struct config *, unsigned status);

/* Status, body and fields of somebody else's choice; an error without a body and a type gets the
 * body that reply_error would give it. */
size_t reply_chosen(struct incoming *, const struct config *, struct reply);

/* "503 Service Unavailable: no backend is available\n", in the arena. */
struct slice reply_text(struct arena *, unsigned status, struct slice why);
const char *reply_reason(unsigned status); /* "" if the status has no name */

#endif
