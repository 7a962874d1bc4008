/*
 *   IDLE --start--> CONNECTING --connected--> AWAITING --final head, or a 101--> ANSWERED
 *     ^                 |                        |                                  |
 *     '-----------------'------------------------'------- over, failed, cancelled --'
 *
 * One deadline, the outgoing's, watches whatever the backend owes next: attempt_watch.
 */
#include "proxy/attempt.h"

#include "net/shortage.h"
#include "shared/backend_numbers.h"

#define OF(state) (1u << ATTEMPT_##state)

static const struct state_row attempt_states[] = {
    [ATTEMPT_IDLE] = {"idle", OF(CONNECTING)},
    [ATTEMPT_CONNECTING] = {"connecting", OF(IDLE) | OF(AWAITING)},
    [ATTEMPT_AWAITING] = {"awaiting", OF(IDLE) | OF(ANSWERED)},
    [ATTEMPT_ANSWERED] = {"answered", OF(IDLE)},
};

static void attempt_enter(struct attempt *a, enum attempt_state state)
{
    CHECK_STATE(attempt_states, a, a->state, state);
    a->state = state;
}

/* --- endings --- */

static void attempt_stop(struct attempt *a)
{
    bool is_pending = a->state != ATTEMPT_ANSWERED;

    attempt_enter(a, ATTEMPT_IDLE);
    deferred_cancel(&a->unresolved);
    numbers_note_end(a->backend->share, is_pending);
    backend_note_room(a->backend);
}

bool attempt_claim(struct attempt *a, struct backend *backend)
{
    uint64_t now_ms = loop_now_ms(a->loop);
    uint64_t longest_ms = a->timeouts->connect_ms + a->timeouts->response_head_ms + 1000;

    if (backend->all->is_panic || !(backend->all->is_need || backend_is_ejected(backend)))
        return true;
    a->backend = backend;
    a->trial_until_ms = now_ms + longest_ms;
    a->is_in_need = backend->all->is_need;
    a->is_trial = (a->is_in_need ? board_claim_in_need : board_claim_trial)(
        backend->all->segment, backend->settings->slot, now_ms, a->trial_until_ms);
    return a->is_trial;
}

static void attempt_end_trial(struct attempt *a)
{
    if (a->is_trial)
        board_release_trial(a->backend->all->segment, a->backend->settings->slot,
                            a->trial_until_ms);
    a->is_trial = false;
}

static void attempt_abandon(struct attempt *a, void (*leave)(struct outgoing *))
{
    attempt_end_trial(a); /* also between two tries */
    if (!attempt_is_active(a))
        return;
    attempt_stop(a);
    if (a->outgoing != NULL)
        leave(a->outgoing);
    else if (a->lease.pool != NULL) /* else there was no address to connect to */
        pool_cancel(&a->lease);
    a->outgoing = NULL;
}

void attempt_cancel(struct attempt *a)
{
    attempt_abandon(a, outgoing_close);
}

void attempt_reset(struct attempt *a)
{
    attempt_abandon(a, outgoing_reset);
}

static void attempt_fail(struct attempt *a, struct attempt_failure failure)
{
    struct outgoing *o = a->outgoing;

    attempt_stop(a);
    a->outgoing = NULL;
    if (o != NULL)
        outgoing_close(o);
    a->events->on_failed(a, &failure);
}

/* --- connecting --- */

static void attempt_fail_connect(struct attempt *a, int code)
{
    struct attempt_failure failure = {.outcome = ATTEMPT_UNREACHABLE,
                                      .kind = FACTS_CONNECT,
                                      .phase = FACTS_PHASE_CONNECT,
                                      .message = uv_strerror(code),
                                      .code = code};

    if (code == UV_ETIMEDOUT) {
        failure.outcome = ATTEMPT_CONNECT_TIMEOUT;
        failure.kind = FACTS_TIMEOUT;
        failure.message = "no connection within timeouts.connect";
        /* What is too late for less time than the settings give may be well. */
        failure.is_provoked =
            a->timeouts->connect_ms < a->backend->all->config->timeouts.connect_ms;
    } else if (shortage_explains(code) || shortage_of_address_explains(code)) {
        failure.outcome = ATTEMPT_LOCAL; /* connect says nothing of the backend */
    } else if (code == UV_ECONNREFUSED) {
        failure.outcome = ATTEMPT_REFUSED;
    } else if (a->lease.why != NULL) {
        failure.outcome = ATTEMPT_TLS;
        failure.kind = FACTS_TLS;
        failure.message = a->lease.why;
    }
    if (failure.outcome != ATTEMPT_LOCAL && !failure.is_provoked)
        backend_note_unreached(a->backend);
    attempt_fail(a, failure);
}

static void attempt_connect(struct attempt *, const struct sockaddr *to);

static void on_lease_failed(struct lease *lease, int code)
{
    struct attempt *a = list_entry(lease, struct attempt, lease);
    const struct sockaddr *next = NULL;

    CHECK(a->state == ATTEMPT_CONNECTING);
    if (!shortage_explains(code))
        next = others_next(&a->others, a->backend, a->request.arena, lease->opening.to,
                           code == UV_ETIMEDOUT);
    if (next == NULL) {
        attempt_fail_connect(a, code);
        return;
    }
    backend_note_unreached(a->backend);
    attempt_connect(a, next);
}

static void on_unresolved(struct deferred *d)
{
    struct attempt *a = list_entry(d, struct attempt, unresolved);

    CHECK(a->state == ATTEMPT_CONNECTING);
    attempt_fail(a, (struct attempt_failure){.outcome = ATTEMPT_UNRESOLVED,
                                             .kind = FACTS_RESOLVE,
                                             .phase = FACTS_PHASE_CONNECT,
                                             .message = "its name leads to no address"});
}

/* --- time --- */

/* Sets the deadline that the backend has to meet next, from now; none while it is ours or
 * the client's turn. */
static void attempt_watch(struct attempt *a)
{
    const struct config_timeouts *timeouts = a->timeouts;
    bool takes_request = a->sent_us == 0 && outgoing_backlog(a->outgoing) > 0;

    a->watched_bytes = takes_request ? outgoing_unsent(a->outgoing) : 0;
    if (a->state == ATTEMPT_ANSWERED && !a->is_paused)
        outgoing_expect(a->outgoing, timeouts->response_body_ms);
    else if (a->state != ATTEMPT_ANSWERED &&
             (a->sent_us != 0 || takes_request || a->awaits_continue))
        outgoing_expect(a->outgoing, timeouts->response_head_ms);
    else
        outgoing_expect_nothing(a->outgoing);
}

/* --- the outgoing's events --- */

static enum facts_phase attempt_phase(const struct attempt *a)
{
    if (a->state == ATTEMPT_ANSWERED)
        return FACTS_PHASE_BODY;
    return a->sent_us != 0 ? FACTS_PHASE_HEAD : FACTS_PHASE_REQUEST;
}

/* The backend has answered, and well so far. */
static void attempt_note_answer(struct attempt *a)
{
    bool is_early = a->sent_us == 0; /* it did not wait for the whole request */

    attempt_enter(a, ATTEMPT_ANSWERED);
    a->head_us = loop_event_us(a->loop);
    numbers_note_head(a->backend->share);
    numbers_note_answer(a->backend->share,
                        (double)(a->head_us - (is_early ? a->connected_us : a->sent_us)) / 1000,
                        a->outgoing->head->status >= 500, a->head_us / 1000);
    backend_note_success(a->backend);
    attempt_end_trial(a);
}

static void on_head(struct outgoing *o)
{
    struct attempt *a = o->owner;

    DCHECK(a->state == ATTEMPT_AWAITING);
    if (o->head->status >= 200) {
        attempt_note_answer(a);
        attempt_watch(a);
    }
    a->events->on_head(a);
}

static void on_body(struct outgoing *o, struct slice piece)
{
    struct attempt *a = o->owner;

    DCHECK(a->state == ATTEMPT_ANSWERED);
    if (!a->is_paused)
        outgoing_expect(o, a->timeouts->response_body_ms);
    a->events->on_body(a, piece);
}

static void on_passed(struct outgoing *o, size_t length)
{
    struct attempt *a = o->owner;

    DCHECK(a->state == ATTEMPT_ANSWERED);
    if (!a->is_paused)
        outgoing_expect(o, a->timeouts->response_body_ms);
    a->events->on_passed(a, length);
}

static void on_end(struct outgoing *o)
{
    struct attempt *a = o->owner;

    DCHECK(a->state == ATTEMPT_ANSWERED);
    attempt_stop(a);
    a->outgoing = NULL;
    a->trailers = o->trailers;
    pool_return(o);
    a->events->on_end(a);
}

static void on_failed(struct outgoing *o, enum outgoing_failure failure, const char *text)
{
    struct attempt *a = o->owner;
    static const struct {
        enum attempt_outcome outcome;
        enum facts_failure_kind kind;
    } meanings[] = {
        [OUTGOING_RESET] = {ATTEMPT_RESET, FACTS_RESET},
        [OUTGOING_STALE] = {ATTEMPT_STALE, FACTS_RESET},
        [OUTGOING_TLS] = {ATTEMPT_TLS, FACTS_TLS},
        [OUTGOING_UNPROCESSED] = {ATTEMPT_UNPROCESSED, FACTS_RESET},
        [OUTGOING_PROTOCOL] = {ATTEMPT_PROTOCOL, FACTS_PROTOCOL},
    };

    if (o->never_sent)
        a->was_sent = false;
    attempt_fail(a, (struct attempt_failure){
                        .outcome = meanings[failure].outcome,
                        .kind = meanings[failure].kind,
                        .phase = attempt_phase(a),
                        .message = text,
                    });
}

static void on_drained(struct outgoing *o)
{
    struct attempt *a = o->owner;

    attempt_watch(a);
    a->events->on_drained(a);
}

static void on_late(struct outgoing *o)
{
    struct attempt *a = o->owner;
    enum facts_phase phase = attempt_phase(a);
    static const char *const messages[] = {
        [FACTS_PHASE_CONNECT] = "",
        [FACTS_PHASE_REQUEST] = "took nothing more of the request within timeouts.response_head",
        [FACTS_PHASE_HEAD] = "no response head within timeouts.response_head",
        [FACTS_PHASE_BODY] = "nothing of the body within timeouts.response_body",
    };

    if (phase == FACTS_PHASE_REQUEST && outgoing_unsent(a->outgoing) != a->watched_bytes) {
        attempt_watch(a); /* slow, but it takes bytes */
        return;
    }
    attempt_fail(a, (struct attempt_failure){.outcome = ATTEMPT_TIMEOUT,
                                             .kind = FACTS_TIMEOUT,
                                             .phase = phase,
                                             .message = messages[phase]});
}

static const struct outgoing_events outgoing_events = {
    .on_head = on_head,
    .on_body = on_body,
    .on_passed = on_passed,
    .on_end = on_end,
    .on_failed = on_failed,
    .on_drained = on_drained,
    .on_late = on_late,
};

static void attempt_begin(struct attempt *a, struct outgoing *o)
{
    attempt_enter(a, ATTEMPT_AWAITING);
    a->outgoing = o;
    a->connected_us = loop_event_us(a->loop);
    outgoing_begin(o, &outgoing_events, a, &a->request);
    a->events->on_connected(a);
}

static void on_lease_ready(struct lease *lease, struct outgoing *o)
{
    struct attempt *a = list_entry(lease, struct attempt, lease);

    CHECK(a->state == ATTEMPT_CONNECTING);
    backend_note_connected(a->backend, a->is_trial && a->is_in_need);
    others_note_success(a->others, a->backend);
    attempt_begin(a, o);
}

/* --- for the exchange --- */

void attempt_init(struct attempt *a, const struct attempt_events *events, struct loop *loop,
                  const struct config_timeouts *timeouts, const struct outgoing_request *request)
{
    a->events = events;
    a->loop = loop;
    a->timeouts = timeouts;
    a->request = *request;
    deferred_init(&a->unresolved, on_unresolved);
}

void attempt_set_overrides(struct attempt *a, const struct facts_overrides *overrides,
                           const struct config_timeouts *standard)
{
    struct config_timeouts *own;

    a->overrides = overrides;
    a->timeouts = standard;
    if (overrides == NULL ||
        (overrides->connect_ms | overrides->response_head_ms | overrides->response_body_ms) == 0)
        return;
    own = arena_alloc(a->request.arena, sizeof *own);
    *own = *standard;
    if (overrides->connect_ms > 0)
        own->connect_ms = overrides->connect_ms;
    if (overrides->response_head_ms > 0)
        own->response_head_ms = overrides->response_head_ms;
    if (overrides->response_body_ms > 0)
        own->response_body_ms = overrides->response_body_ms;
    a->timeouts = own;
}

static void attempt_connect(struct attempt *a, const struct sockaddr *to)
{
    lease_init(&a->lease, on_lease_ready, on_lease_failed);
    a->lease.opening.insists = a->is_trial && a->is_in_need;
    pool_lease(a->backend->pool, &a->lease, to, a->timeouts->connect_ms);
}

void attempt_start(struct attempt *a, struct backend *backend, bool fresh)
{
    const struct sockaddr *to = backend_address(backend);
    struct outgoing *pooled;

    attempt_enter(a, ATTEMPT_CONNECTING);
    a->backend = backend;
    a->outgoing = NULL;
    a->others = NULL;
    a->began_us = loop_event_us(a->loop);
    a->connected_us = a->sent_us = a->head_us = 0;
    a->was_sent = a->is_paused = a->awaits_continue = false;
    numbers_note_begin(backend->share);
    pooled = fresh ? NULL : pool_take(backend->pool, &a->request, a->began_us);
    if (pooled != NULL) {
        attempt_begin(a, pooled);
        return;
    }
    if (to == NULL)
        loop_defer(a->loop, &a->unresolved);
    else
        attempt_connect(a, to);
}

void attempt_sending(struct attempt *a, bool awaits_continue)
{
    a->was_sent = true;
    a->awaits_continue = awaits_continue;
    attempt_watch(a);
}

void attempt_sent(struct attempt *a)
{
    a->was_sent = true;
    a->sent_us = loop_event_us(a->loop);
    if (a->state != ATTEMPT_ANSWERED)
        attempt_watch(a);
}

void attempt_pause(struct attempt *a)
{
    if (a->outgoing == NULL || a->is_paused)
        return;
    a->is_paused = true;
    attempt_watch(a); /* it is not the backend that is slow */
    outgoing_pause(a->outgoing);
}

void attempt_resume(struct attempt *a)
{
    if (a->outgoing == NULL || !a->is_paused)
        return;
    a->is_paused = false;
    attempt_watch(a);
    outgoing_resume(a->outgoing);
}

void attempt_hold(struct attempt *a)
{
    a->is_paused = true;
    attempt_watch(a);
    outgoing_hold(a->outgoing);
}

void attempt_release(struct attempt *a)
{
    a->is_paused = false;
    attempt_watch(a);
    outgoing_release(a->outgoing);
}

void attempt_switch(struct attempt *a, const struct outgoing_events *events, void *owner)
{
    attempt_note_answer(a);
    outgoing_expect_nothing(a->outgoing);
    outgoing_switch(a->outgoing, events, owner);
}

void attempt_refuse(struct attempt *a, const char *text)
{
    attempt_fail(a, (struct attempt_failure){.outcome = ATTEMPT_PROTOCOL,
                                             .kind = FACTS_PROTOCOL,
                                             .phase = attempt_phase(a),
                                             .message = text,
                                             .is_provoked = true});
}

void attempt_blame(struct attempt *a, const struct attempt_failure *failure)
{
    bool connecting = failure->phase == FACTS_PHASE_CONNECT;

    if (failure->outcome == ATTEMPT_STALE || failure->outcome == ATTEMPT_UNPROCESSED ||
        failure->outcome == ATTEMPT_LOCAL || failure->is_provoked) {
        attempt_end_trial(a);
        return;
    }
    backend_note_failure(a->backend, connecting && failure->kind != FACTS_RESOLVE, failure->code,
                         failure->message, a->began_us);
    attempt_end_trial(a); /* that was the verdict, if one was asked for */
}

unsigned attempt_failure_status(const struct attempt_failure *failure)
{
    if (failure->phase == FACTS_PHASE_CONNECT && failure->kind != FACTS_TLS)
        return 503;
    return failure->kind == FACTS_TIMEOUT ? 504 : 502;
}
