/*
 *   waits for   at most                    then
 *   RESTING     timeouts.keep_alive        closed
 *   HEAD        timeouts.request_head      408
 *   BODY        timeouts.request_body      408; at once if below limits.least_rate
 *   TAKING      timeouts.response_body,    reset if it took nothing in that time, or is below
 *               asked every RATE_OVER_MS   limits.least_rate
 *   UNREAD      PATIENCE_UNREAD_MS         closed if gone, else read
 *   UNSEEN      PATIENCE_UNSEEN_MS         closed if gone, else probed if it has half-closed; again
 *   EXCHANGE    for ever
 *   LINGERING   PATIENCE_LINGER_MS         closed if it took nothing, or is below
 *                                          limits.least_rate; else again
 *
 * For its first request a connection has timeouts.request_head, which client.c sets.
 *
 * The least rate of a body is checked when a piece of it comes: no deadline is needed. What a
 * client takes of an answer no event says; there the deadline asks.
 */
#include "client/patience.h"

enum {
    IDLE_LINGERS_MAX = 30, /* a minute in which a client takes nothing */
    PROBES_MOST = 128,     /* a power of two: in the end every 32 s */
};

static bool lingers_too_long(const struct patience_seen *seen, uint64_t most_ms)
{
    if (seen->idle_times == 0)
        return seen->is_slow;
    return seen->unsent == 0 || seen->idle_times == IDLE_LINGERS_MAX ||
           (uint64_t)seen->idle_times * PATIENCE_LINGER_MS > most_ms;
}

static enum patience_step step_of_late(const struct patience_seen *seen)
{
    static const enum patience_step steps[] = {
        [PATIENCE_RESTING] = PATIENCE_CLOSE, [PATIENCE_HEAD] = PATIENCE_FAIL,
        [PATIENCE_BODY] = PATIENCE_FAIL,     [PATIENCE_UNREAD] = PATIENCE_READ,
        [PATIENCE_UNSEEN] = PATIENCE_WAIT,   [PATIENCE_EXCHANGE] = PATIENCE_WAIT,
    };

    if (seen->is_gone)
        return PATIENCE_CLOSE;
    return seen->has_ended && steps[seen->state] == PATIENCE_WAIT ? PATIENCE_PROBE
                                                                  : steps[seen->state];
}

struct patience patience_next(const struct patience_seen *seen, const struct config_timeouts *t)
{
    struct patience next = {PATIENCE_WAIT, patience_ms(seen->state, t)};
    uint64_t most_ms = t->response_body_ms;

    if (seen->state == PATIENCE_TAKING) {
        if (seen->is_slow || seen->silent_ms >= most_ms)
            next.step = PATIENCE_RESET;
        else if (most_ms - seen->silent_ms < next.within_ms)
            next.within_ms = most_ms - seen->silent_ms;
    } else if (seen->state == PATIENCE_LINGERING) {
        if (lingers_too_long(seen, most_ms))
            next.step = PATIENCE_CLOSE;
    } else if (seen->is_over || seen->is_slow) {
        next.step = step_of_late(seen);
    }
    return next;
}

const char *patience_why(const struct patience_seen *seen)
{
    if (seen->state == PATIENCE_HEAD)
        return "request head not complete within timeouts.request_head";
    if (seen->state == PATIENCE_BODY)
        return seen->is_slow ? "less of the body came than limits.least_rate"
                             : "nothing of the body within timeouts.request_body";
    return seen->is_slow ? "the client took less of the answer than limits.least_rate"
                         : "the client took nothing of the answer within timeouts.response_body";
}

bool patience_probes(uint8_t *times)
{
    *times = *times == PROBES_MOST ? PROBES_MOST / 2 + 1 : *times + 1;
    return (*times & (*times - 1)) == 0;
}
