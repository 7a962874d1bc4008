/*
 * probe - asks one address of a backend, over a connection of its own, how it is.
 *
 * health.type "tcp": does it accept, and shake hands if it has TLS? Nothing is asked. "http": the
 * same, and the status of its answer to one GET is one of health.status. Only the head of the
 * answer counts: no redirect is followed and the body is not waited for. Interim responses are
 * skipped, and weigh as much as heads do: limits.head is for all of them together. One time limit
 * is for everything, from the connect to the head.
 *
 * A backend in HTTP/2 is asked the same in HTTP/2. "grpc", for those only: does it say that it, or
 * health.service, is SERVING (grpc.health.v1)?
 *
 * A probe that was started ends in one on_done, when its connections are closed.
 */
#ifndef HEALTH_PROBE_H
#define HEALTH_PROBE_H

#include "config/config.h"
#include "http/response.h"
#include "net/opening.h"
#include "net/stream.h"
#include "shared/board.h"
#include "wire/h2.h"

enum probe_outcome {
    PROBE_PASSED,
    PROBE_FAILED,
    PROBE_NO_WAY, /* from here to the address: no failure; another address may do */
    PROBE_SHORT,  /* of something of ours: no connection could be tried, whereto ever */
};

struct probe {
    void (*on_done)(struct probe *);
    enum probe_outcome outcome;
    enum verdict_reason reason; /* of PROBE_PASSED and PROBE_FAILED */
    int code;                   /* what goes with the reason; else a negative errno */
    const char *why;            /* a handshake of TLS has failed: static words, else NULL */

    /* the probe's own */
    struct loop *loop;
    const struct config *config;
    struct buffer request;    /* empty: accepting is enough */
    struct tls_target target; /* not set: without TLS */
    struct opening opening;
    struct opening_account openings;
    struct probe_connection *connection; /* the connection that has opened; NULL before */
    unsigned connections;                /* in any state, until their close is over */
    struct deadline limit;
    struct parse_limits limits;
    struct response response;
    struct arena arena;
    bool is_h2;
    struct h2 wire; /* of the connection that has opened, if is_h2 */
    struct h2_stream wire_stream;
    struct buffer message; /* the body of the request; empty: it has none */
    char answer[64];       /* the body of the answer, if there is a message */
    size_t answer_bytes;
    enum { PROBE_IDLE, PROBE_CONNECTING, PROBE_ASKING, PROBE_READING, PROBE_DECIDED } state;
};

/* Borrows loop, config and backend for its life, which ends with the process's, and the address
 * until on_done. */
void probe_init(struct probe *, struct loop *, const struct config *, const struct config_backend *,
                void (*on_done)(struct probe *));
void probe_dispose(struct probe *); /* none is under way */
void probe_start(struct probe *, const struct sockaddr *to, uint64_t limit_ms);

#endif
