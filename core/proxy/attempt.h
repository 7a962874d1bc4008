/*
 * attempt - one try at one backend; ends with exactly one outcome.
 *
 *   attempt_start --> on_connected --> on_head --> on_body .. --> on_end
 *         '---------------'---------------'------------'------> on_failed
 *
 * on_end and on_failed are the last; after attempt_cancel nothing comes. After an on_head
 * in which attempt_switch was called the events are the caller's own.
 */
#ifndef PROXY_ATTEMPT_H
#define PROXY_ATTEMPT_H

#include "policy/facts.h"
#include "proxy/others.h"
#include "shared/outcome.h"
#include "upstream/backend.h"

struct attempt;

struct attempt_failure {
    enum attempt_outcome outcome;
    enum facts_failure_kind kind;
    enum facts_phase phase;
    const char *message;
    int code;         /* negative libuv code of a failed connect, else 0 */
    bool is_provoked; /* a client or the script can cause it: it says nothing of the backend */
};

struct attempt_events {
    void (*on_connected)(struct attempt *); /* send now: attempt->outgoing */
    void (*on_head)(struct attempt *);      /* interim and final ones */
    void (*on_body)(struct attempt *, struct slice);
    void (*on_passed)(struct attempt *, size_t length); /* to outgoing->pass_to */
    void (*on_end)(struct attempt *);
    void (*on_drained)(struct attempt *);
    void (*on_failed)(struct attempt *, const struct attempt_failure *);
};

enum attempt_state {
    ATTEMPT_IDLE,       /* before the first try, between two, and when it is over */
    ATTEMPT_CONNECTING, /* it counts as one in flight from now on */
    ATTEMPT_AWAITING,   /* connected: the request is sent, and no final head is there */
    ATTEMPT_ANSWERED,   /* the final head is there, or a 101 that is taken */
};

struct attempt { /* embedded; stays in place until it is over */
    const struct attempt_events *events;
    struct loop *loop;
    const struct config_timeouts *timeouts;
    struct outgoing_request request;
    struct backend *backend;
    const struct facts_overrides *overrides; /* of choose; NULL: none */
    struct outgoing *outgoing;               /* NULL until connected */
    struct lease lease;
    struct others *others;      /* NULL: no connect of this attempt has failed yet */
    struct deferred unresolved; /* there is no address to connect to */
    enum attempt_state state;   /* changes in attempt_enter only */
    uint32_t watched_bytes;     /* of the request, not taken when the deadline was set */
    uint64_t began_us, connected_us, sent_us, head_us; /* steady clock; 0: not yet */
    uint64_t trial_until_ms;                           /* if is_trial */
    struct slice trailers; /* of the response, at on_end: lines to forward, in the arena */
    bool was_sent;         /* some of the request, or would have been */
    bool awaits_continue, is_paused;
    bool is_trial;
    bool is_in_need; /* is_trial, and was as none was available */
};

/* Something is open to the backend, or will be. */
static inline bool attempt_is_active(const struct attempt *a)
{
    return a->state != ATTEMPT_IDLE;
}

/* What the script changes in the fields of its response; NULL: nothing. */
static inline const struct field_changes *attempt_response_changes(const struct attempt *a)
{
    return a->overrides != NULL ? &a->overrides->response : NULL;
}

/* Of zeros. */
void attempt_init(struct attempt *, const struct attempt_events *, struct loop *,
                  const struct config_timeouts *, const struct outgoing_request *);
/* Call before a backend is tried: what holds for it and did not for the last one, or NULL. Its
 * timeouts come before the standard ones. Borrows both. */
void attempt_set_overrides(struct attempt *, const struct facts_overrides *,
                           const struct config_timeouts *standard);
/* fresh: not over a pooled connection. If a pooled one serves, on_connected comes inside this
 * call; everything else comes later. */
void attempt_start(struct attempt *, struct backend *, bool fresh);
/* The request, or a part of it, goes out now. awaits_continue: no more of it comes before the
 * backend has answered. */
void attempt_sending(struct attempt *, bool awaits_continue);
void attempt_sent(struct attempt *);  /* the whole request is out: the response is awaited */
void attempt_pause(struct attempt *); /* no more on_body until attempt_resume */
void attempt_resume(struct attempt *);
/* Inside the on_head of a final response, or of a 101: nothing more of it comes before
 * attempt_release, which brings at once what has come meanwhile; of a 101 before attempt_switch. */
void attempt_hold(struct attempt *);
void attempt_release(struct attempt *);
void attempt_cancel(struct attempt *); /* in any state; whatever is open to the backend is closed */
void attempt_reset(struct attempt *);  /* the same, and the backend sees a reset */
/* Inside the on_head of a 101, or while that is held, one of the two: the connection is a tunnel
 * whose events are the caller's (outgoing_switch), and the attempt lasts until it is cancelled;
 * or this is not what was asked for, and on_failed comes now. */
void attempt_switch(struct attempt *, const struct outgoing_events *, void *owner);
void attempt_refuse(struct attempt *, const char *text);

/* Call before attempt_start: a backend that comes out of an ejection gets one attempt at a
 * time until one has gone well, and so do all while none is available. False: another attempt is
 * the one. */
bool attempt_claim(struct attempt *, struct backend *);
/* The failure was the last on this backend: counts it against the backend if it was its
 * fault. */
void attempt_blame(struct attempt *, const struct attempt_failure *);

/* The status for the client if it was the last try: 503 nobody was reached, 504 too late, 502. */
unsigned attempt_failure_status(const struct attempt_failure *);

#endif
