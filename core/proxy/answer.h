/*
 * answer - a backend's response on its way to the client.
 *
 * Its end is incoming_send_end; if it cannot be completed, incoming_cut.
 */
#ifndef PROXY_ANSWER_H
#define PROXY_ANSWER_H

#include "client/incoming.h"
#include "http/field_changes.h"
#include "upstream/outgoing.h"

struct answer {
    struct incoming *in; /* borrowed */
    bool omits_via;      /* adds no Via, whatever the script says */
    uint64_t bytes;      /* of the body, so far */
};

/* An interim response, or the 101 of an upgrade. The changes are the script's, here and below, or
 * NULL. They are of the final head: of others they can only keep out our Via. */
void answer_interim(struct answer *, const struct outgoing *, const struct field_changes *);
/* The final head. */
void answer_begin(struct answer *, const struct outgoing *, const struct field_changes *);
/* False: the client does not take it as fast as it comes; on_drained comes when it has. */
bool answer_piece(struct answer *, struct slice);
bool answer_passed(struct answer *, size_t length); /* a piece that is there already; as above */

#endif
