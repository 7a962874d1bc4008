/*
 * peer - one connection to the admin listener, request after request.
 *
 *              a whole request                the answer has left
 *   READING ---------------------> ANSWERING ---------------------> READING, or LEAVING
 *      |  '- what is no request, too large or too late: a refusal ------------^   |
 *      '- its end, or too long idle ----------------------------------------------+--> gone
 */
#ifndef ADMIN_PEER_H
#define ADMIN_PEER_H

#include "admin/answer.h"
#include "admin/routes.h"
#include "http/parse.h"
#include "http/request.h"
#include "net/deadline.h"
#include "net/stream.h"

enum peer_state { PEER_READING, PEER_ANSWERING, PEER_LEAVING };

struct peer {
    struct list_node node; /* the owner's */
    void *owner;
    const struct admin *admin;
    bool is_local;
    void (*on_gone)(struct peer *); /* its memory is the owner's again */

    /* Its own. */
    enum peer_state state;
    struct stream stream;
    struct deadline limit, turn; /* the time for what it does; and when the route is asked again */
    struct parse parse;
    struct arena arena;
    struct buffer body, early, out; /* early: bytes that came while it was answering */
    struct request request;
    struct answer answer;
    const struct route *route;
    bool is_large;   /* the body is larger than it may be */
    bool has_head;   /* the head of the answer has left */
    bool is_chunked; /* the answer is */
    bool closes;     /* after this answer */
    bool is_over;    /* the route has said all */
};

void peer_begin(struct peer *, struct loop *,
                int socket); /* all its own is zero; takes the socket */
/* False: it is not idle. Else it is closed. */
bool peer_leaves_if_idle(struct peer *);

#endif
