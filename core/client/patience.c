/*
 *   state       within                              then
 *   RESTING     timeouts.keep_alive (*)             closed
 *   HEAD        timeouts.request_head               408
 *   BODY        timeouts.request_body               408, at once below limits.least_rate
 *   TAKING      timeouts.response_body,             reset, if it took nothing in that time,
 *               RATE_OVER_MS at most                or below limits.least_rate
 *   UNREAD      UNREAD_MS                           closed if gone, else read
 *   UNSEEN      ASK_AGAIN_MS                        closed if gone, else again;
 *                                                   probed if it has half-closed
 *   EXCHANGE    forever                             (else as UNSEEN)
 *   LINGERING   LINGER_MS                           closed, if it took nothing,
 *                                                   or below limits.least_rate; else again
 *
 *   (*) Before its first request client.c sets timeouts.request_head.
 *
 * A piece of the body that comes is the moment at which the least rate is asked for: no deadline
 * is needed. What a client takes of an answer no event says; there the deadline asks.
 */
#include "client/patience.h"

enum {
    IDLE_LINGERS_MAX = 30, /* a minute in which a client takes nothing */
    PROBES_MOST = 128,     /* a power of two: in the end every 32 s */
};

static enum patience_step step_of_taking(const struct patience_seen *seen, uint64_t most_ms)
{
    return seen->is_slow || seen->silent_ms >= most_ms ? PATIENCE_RESET : PATIENCE_WAIT;
}

static enum patience_step step_of_lingering(const struct patience_seen *seen, uint64_t most_ms)
{
    bool is_too_long = seen->idle_times == 0
                           ? seen->is_slow
                           : seen->unsent == 0 || seen->idle_times == IDLE_LINGERS_MAX ||
                                 (uint64_t)seen->idle_times * LINGER_MS > most_ms;

    return is_too_long ? PATIENCE_CLOSE : PATIENCE_WAIT;
}

/* The time is over. */
static enum patience_step step_of_late(const struct patience_seen *seen)
{
    switch (seen->state) {
    case PATIENCE_RESTING:
        return PATIENCE_CLOSE;
    case PATIENCE_HEAD:
        return PATIENCE_FAIL;
    default:
        break;
    }
    if (seen->is_gone)
        return PATIENCE_CLOSE;
    if (seen->state == PATIENCE_BODY)
        return PATIENCE_FAIL;
    if (seen->state == PATIENCE_UNREAD)
        return PATIENCE_READ;
    return seen->has_ended ? PATIENCE_PROBE : PATIENCE_WAIT;
}

static enum patience_step step_of(const struct patience_seen *seen, uint64_t most_ms)
{
    if (seen->state == PATIENCE_TAKING)
        return step_of_taking(seen, most_ms);
    if (seen->state == PATIENCE_LINGERING)
        return step_of_lingering(seen, most_ms);
    if (seen->is_over)
        return step_of_late(seen);
    return seen->is_slow ? PATIENCE_FAIL : PATIENCE_WAIT;
}

struct patience patience_next(const struct patience_seen *seen, const struct config_timeouts *t)
{
    uint64_t within_ms = patience_ms(seen->state, t), most_ms = t->response_body_ms;

    if (seen->state == PATIENCE_TAKING && most_ms - seen->silent_ms < within_ms)
        within_ms = most_ms - seen->silent_ms;
    return (struct patience){step_of(seen, most_ms), within_ms};
}

const char *patience_why(const struct patience_seen *seen)
{
    switch (seen->state) {
    case PATIENCE_HEAD:
        return "request head not complete within timeouts.request_head";
    case PATIENCE_BODY:
        return seen->is_slow ? "less of the body came than limits.least_rate"
                             : "nothing of the body within timeouts.request_body";
    default:
        return seen->is_slow
                   ? "the client took less of the answer than limits.least_rate"
                   : "the client took nothing of the answer within timeouts.response_body";
    }
}

bool patience_probes(uint8_t *times)
{
    *times = *times == PROBES_MOST ? PROBES_MOST / 2 + 1 : *times + 1;
    return (*times & (*times - 1)) == 0;
}
