/*
 * describe - a request as the policy, the backend and the log see it.
 */
#ifndef PROXY_DESCRIBE_H
#define PROXY_DESCRIBE_H

#include "client/incoming.h"
#include "policy/facts.h"
#include "proxy/access_log.h"
#include "proxy/attempt.h"

/* Everything that does not change over the tries, into zeros; texts are in the incoming's arena. */
void describe_request(struct facts_request *, struct incoming *, const struct config *,
                      uint64_t id);
/* How long all tries may take together, 0: for ever; and whose wish that is: the settings', or the
 * client's of a gRPC call if that is less. */
uint64_t describe_time_ms(const struct facts_request *, const struct config *, const char **whose);
/* What a backend gets instead of the request's path: the path that the script gave; the query
 * stays, unless that has one, too. In the arena, or the path itself. */
struct slice describe_path(struct incoming *, struct slice path);
/* Sends the head to a backend. Made for each try, and not kept: it is as large as the client's. The
 * overrides, which may be NULL, have a path of describe_path; own_host is for a request without a
 * Host. */
void describe_forwarded(struct outgoing *, struct incoming *, const struct config *,
                        const struct facts_request *, const struct facts_overrides *,
                        struct slice own_host);
/* What is known only at the end of an exchange, for its line. last: its last try, NULL if there was
 * none; now_us: the steady clock. */
void describe_end(struct access_record *, const struct incoming *, const struct facts_request *,
                  const struct attempt *last, uint64_t now_us);
/* The status for a request that cannot be served. */
unsigned describe_fault(enum incoming_fault);

#endif
