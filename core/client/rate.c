#include "client/rate.h"

void rate_run(struct rate *r, uint64_t now_ms, uint64_t moved)
{
    if (rate_runs(r))
        return;
    r->since_ms = now_ms;
    r->since = moved;
}

void rate_rest(struct rate *r, uint64_t now_ms, uint64_t moved)
{
    if (!rate_runs(r))
        return;
    r->ms += now_ms - r->since_ms;
    r->bytes += moved - r->since;
    r->since_ms = 0;
}

bool rate_is_too_low(struct rate *r, uint64_t now_ms, uint64_t moved, uint64_t least)
{
    uint64_t bytes = r->bytes + moved - r->since;

    if (!rate_runs(r) || r->ms + now_ms - r->since_ms < RATE_OVER_MS)
        return false;
    *r = (struct rate){.since_ms = now_ms, .since = moved};
    return bytes < least * (RATE_OVER_MS / 1000);
}
