/*
 * patience - how long a client connection may stay as it is, and what follows then (pure).
 *
 * For this folder. client/watch.c says what it has seen and does what follows; patience.c has the
 * table.
 */
#ifndef CLIENT_PATIENCE_H
#define CLIENT_PATIENCE_H

#include "client/rate.h"
#include "config/config.h"

#define PATIENCE_FOREVER UINT64_MAX
enum {
    PATIENCE_UNREAD_MS = 20, /* in which a request is usually answered */
    PATIENCE_UNSEEN_MS = 500,
    PATIENCE_LINGER_MS = 2000,
};

/* What the connection waits for. That a client leaves is seen by reading: not in UNREAD, as nobody
 * has begun to, and not in UNSEEN. EXCHANGE and tunnels have deadlines of their own. */
enum patience_state {
    PATIENCE_RESTING, /* a request */
    PATIENCE_HEAD,    /* the rest of its head */
    PATIENCE_BODY,    /* the next piece of its body */
    PATIENCE_TAKING,  /* the client, to take what was sent */
    PATIENCE_UNREAD,  /* the answer */
    PATIENCE_UNSEEN,
    PATIENCE_EXCHANGE,
    PATIENCE_LINGERING, /* the client, to take the rest and close */
};

struct patience_seen {
    enum patience_state state;
    bool is_over;       /* the time is over: what it waits for has not come, or not all of it */
    bool is_slow;       /* fewer bytes came or were taken than limits.least_rate */
    bool is_gone;       /* nobody is there any more; or the answer is out, and no other follows */
    bool has_ended;     /* the client has shut its sending side */
    uint8_t idle_times; /* LINGERING: in a row in which nothing was taken; 0: some was, just now */
    uint32_t unsent;    /* LINGERING: bytes that are not taken yet */
    uint64_t silent_ms; /* TAKING: since some was taken */
};

enum patience_step {
    PATIENCE_WAIT,
    PATIENCE_READ,
    PATIENCE_PROBE, /* and wait */
    PATIENCE_FAIL,  /* the request: it is answered with a 408 */
    PATIENCE_RESET,
    PATIENCE_CLOSE,
};

struct patience {
    enum patience_step step;
    uint64_t within_ms; /* WAIT: until the time is over; or PATIENCE_FOREVER */
};

/* How long it may wait for that, from now. */
static inline uint64_t patience_ms(enum patience_state state, const struct config_timeouts *t)
{
    switch (state) {
    case PATIENCE_RESTING:
        return t->keep_alive_ms;
    case PATIENCE_HEAD:
        return t->request_head_ms;
    case PATIENCE_BODY:
        return t->request_body_ms;
    case PATIENCE_TAKING:
        return t->response_body_ms < RATE_OVER_MS ? t->response_body_ms : RATE_OVER_MS;
    case PATIENCE_UNREAD:
        return PATIENCE_UNREAD_MS;
    case PATIENCE_UNSEEN:
        return PATIENCE_UNSEEN_MS;
    case PATIENCE_LINGERING:
        return PATIENCE_LINGER_MS;
    case PATIENCE_EXCHANGE:
        break;
    }
    return PATIENCE_FOREVER;
}

/* What follows from what was seen: all zero but the state if that was nothing. */
struct patience patience_next(const struct patience_seen *, const struct config_timeouts *);
/* Of a step that is FAIL or RESET: the reason, for the client or the log. */
const char *patience_why(const struct patience_seen *);
/* Is a client that has shut its sending side probed this time? Less and less often, as there are
 * only so many bytes to send. Counts the times, from 0. */
bool patience_probes(uint8_t *times);

#endif
