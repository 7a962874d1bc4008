/*
 * tunnel - what an upgraded connection carries, both ways, as it is (RFC 9110, 7.8).
 *
 * It begins with the 101 and lives on the client's and the backend's connection
 * until both have ended, one of them breaks, or nothing moves for too long; then
 * both are ended as that calls for, and on_over comes, exactly once and never
 * inside tunnel_begin.
 */
#ifndef PROXY_TUNNEL_H
#define PROXY_TUNNEL_H

#include "client/incoming.h"
#include "net/deadline.h"
#include "proxy/attempt.h"

struct tunnel { /* embedded; stays in place until it is over; all zero but these four */
    struct incoming *in;
    struct attempt *attempt;
    uint64_t idle_ms; /* how long nothing may move */
    /* What became of the attempt, and what went wrong, NULL if nothing did. */
    void (*on_over)(struct tunnel *, enum attempt_outcome, const char *note);

    struct loop *loop;
    struct outgoing *outgoing;
    struct deadline deadline;
    uint64_t moved_ms;  /* when something did */
    uint64_t unsent;    /* bytes on their way, both directions, at the last look */
    uint64_t bytes_out; /* to the client; those from it are the incoming's body_bytes */
    bool client_ended, backend_ended;
};

/* Inside the on_head of a 101 that was asked for, which was added for the client. Takes over the
 * events of both; in flight the attempt stays. */
void tunnel_begin(struct tunnel *);

#endif
