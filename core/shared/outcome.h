/*
 * outcome - how a try at a backend can end, by number and by name.
 *
 * The segment counts by these numbers; the access log and the metrics say these names.
 */
#ifndef SHARED_OUTCOME_H
#define SHARED_OUTCOME_H

enum attempt_outcome {
    ATTEMPT_NONE, /* it continues */
    ATTEMPT_OK,
    ATTEMPT_REFUSED,
    ATTEMPT_UNREACHABLE,
    ATTEMPT_CONNECT_TIMEOUT,
    ATTEMPT_UNRESOLVED,
    ATTEMPT_TLS,
    ATTEMPT_RESET,
    ATTEMPT_TIMEOUT,
    ATTEMPT_PROTOCOL,
    ATTEMPT_CANCELLED,
    ATTEMPT_STALE,       /* the pooled connection had been closed by the backend: nobody's fault */
    ATTEMPT_UNPROCESSED, /* the backend never began with it, and says so: nobody's fault */
    ATTEMPT_DISCARDED,   /* the policy did not want its response */
    ATTEMPT_LOCAL,       /* this machine could not even try (descriptors, ports, memory) */
    ATTEMPT_OUTCOMES
};

const char *attempt_outcome_name(enum attempt_outcome); /* "refused", "stale": as in the log */

#endif
