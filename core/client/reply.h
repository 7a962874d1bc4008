/*
 * reply - the answers that we write ourselves.
 */
#ifndef CLIENT_REPLY_H
#define CLIENT_REPLY_H

#include "client/incoming.h"
#include "config/config.h"

struct reply { /* all zero but the status, if it has no more */
    unsigned status;
    struct slice why;  /* what the body of an error says that has none of its own */
    struct slice body; /* borrowed; must live as long as the incoming's arena */
    struct slice type; /* Content-Type of a body whose fields have none; empty: text/plain */
    const struct field *fields;
    unsigned fields_count;
    unsigned retry_after_s; /* 0: no such field */
    /* Set by reply_send: fields from the setting `pages`, of the status and of all; or NULL. A
     * field that the reply has already is not added. */
    const struct config_pairs *page_headers, *pages_headers;
};

/* Sends head and body, but for answers that have none. Gives the body's bytes. An error without a
 * body and a type gets the body of the setting `pages`, else text, or JSON for a client whose
 * Accept takes that and no text: "503 Service Unavailable: no backend is available\n". */
size_t reply_send(struct incoming *, const struct config *, struct reply *);

/* TRACE or OPTIONS that ends here (RFC 9110, 7.6.2, 9.3.7 and 9.3.8). With 200 the way of the
 * request, of its head, or what we can do; with 405, no TRACE. */
size_t reply_last_hop(struct incoming *, const struct config *, unsigned status);

#endif
