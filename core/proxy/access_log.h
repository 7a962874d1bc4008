/*
 * access_log - one line per finished exchange, to standard output.
 */
#ifndef PROXY_ACCESS_LOG_H
#define PROXY_ACCESS_LOG_H

#include "base/arena.h"
#include "config/config.h"
#include "policy/facts.h"

#include <stdbool.h>
#include <stdint.h>

struct access_try {
    struct access_try *next;
    const char *backend, *outcome;
    uint64_t us; /* how long it took */
    /* For proxy/explain.c only; NULL: nothing to say. */
    const struct facts_compared *compared; /* when the backend was chosen */
    const char *error;                     /* what it failed with */
    const char *said, *then, *denied;      /* what the policy wanted then, what came, and why not */
    unsigned status;                       /* of an answer that was thrown away; else 0 */
    /* For proxy/tracing.c, with the setting tracing: */
    uint64_t span, began_us;
    const struct config_backend *to; /* its scheme and its text are there */
    struct slice why;
};

struct access_record {
    struct slice id, client_ip; /* these two are plain ASCII, */
    struct slice trace;         /* and this one, which is empty without the setting tracing */
    struct slice method, target, why;
    unsigned client_port, status;
    struct slice version;         /* "1.1"; empty if there is no request line */
    uint32_t stream;              /* of HTTP/2; else 0 */
    uint64_t bytes_in, bytes_out; /* of the bodies */
    uint64_t queue_us, policy_us, connect_us, first_byte_us, total_us;
    uint64_t ended_us; /* steady clock */
    bool has_connect, has_first_byte;
    const char *backend; /* of the last try; NULL if there was none */
    unsigned attempts, retries;
    struct access_try *tries; /* in order */
    const char *script;
    bool by_fallback;
    const struct facts_pair *explained; /* by the script: ctx:explain */
    const struct config_log *more; /* host, headers: which of them the line has; NULL: neither */
    const struct head *head;       /* whose headers these are; NULL: it was none */
    struct slice host;
    const char *note; /* what went wrong in lb's own words, a limit's name say; NULL: nothing */
    const struct tls_said *tls; /* of the connection; NULL: it has no TLS */
    bool is_first;              /* the connection's first request, to which the handshake counts */
    unsigned available;         /* backends of the first choose, */
    bool has_chosen, is_panic;  /* if there was one; they are all, as health.panic says */
    int grpc_status;            /* GRPC_STATUS_NONE: none is known, or it is no gRPC call */
};

/* Adds a try to the list, behind last (NULL if it is the first). Borrows the name. */
struct access_try *access_try_add(struct arena *, struct access_try **list, struct access_try *last,
                                  const char *backend);
void access_log_write(const struct access_record *); /* call only if log_wants(LOG_INFO) */

#endif
