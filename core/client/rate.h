/*
 * rate - do enough bytes move, while it is the client's turn to send or to take some?
 *
 * A stopwatch that runs only then, and a count of what moved meanwhile. Asked when some have moved:
 * with RATE_OVER_MS on it, it answers, and both begin anew. A client that moves nothing at all is a
 * matter of the timeouts between bytes.
 */
#ifndef CLIENT_RATE_H
#define CLIENT_RATE_H

#include <stdbool.h>
#include <stdint.h>

enum { RATE_OVER_MS = 10 * 1000 };

/* `moved` below is a count that grows, and may wrap. */
struct rate {                 /* all zero at first */
    uint64_t ms, bytes;       /* until it stood still the last time */
    uint64_t since_ms, since; /* it runs since then, and moved was that; 0: it stands still */
};

void rate_run(struct rate *, uint64_t now_ms, uint64_t moved); /* twice is fine, so is rate_rest */
void rate_rest(struct rate *, uint64_t now_ms, uint64_t moved);
/* least: bytes a second; 0: none. */
bool rate_is_too_low(struct rate *, uint64_t now_ms, uint64_t moved, uint64_t least);

static inline bool rate_runs(const struct rate *r)
{
    return r->since_ms != 0;
}

#endif
