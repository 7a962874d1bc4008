#include "proxy/explain.h"

#include "base/clock.h"
#include "proxy/access_log.h"
#include "proxy/plan.h"
#include "shared/backend_numbers.h"
#include "shared/backend_standing.h"
#include "shared/board.h"
#include "shared/decisions.h"

enum {
    STATUS_CLIENT_GONE = 499,
    STATUS_TUNNEL = 101,
    OUT_MAX = 3,
    /* Bytes of each text. */
    CLIENT_MAX = 46,
    METHOD_MAX = 16,
    TARGET_MAX = 120,
    WORDS_MAX = 64,
};

static const char *const explain_rules[FACTS_RULES] = {
    [FACTS_RULE_BUILT_IN] = "round robin",
    [FACTS_RULE_MIN] = "min",
    [FACTS_RULE_LEAST] = "least_in_flight",
    [FACTS_RULE_P2C_EWMA] = "p2c_ewma",
    [FACTS_RULE_RING] = "ring",
    [FACTS_RULE_RANDOM] = "random",
    [FACTS_RULE_TURN] = "turn",
};

/* --- which are kept --- */

/* At most one each so many us, and the rest of span_us at once. */
static inline bool may_keep(uint64_t *until_us, uint64_t each_us, uint64_t span_us, uint64_t now_us)
{
    uint64_t until = *until_us > now_us ? *until_us : now_us;

    if (until + each_us > now_us + span_us)
        return false;
    *until_us = until + each_us;
    return true;
}

/* UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS: what would be a 5xx in HTTP. */
static bool is_grpc_failure(int status)
{
    return status == 2 || status == 4 || (status >= 13 && status <= 15);
}

static bool has_failed(const struct access_record *r)
{
    const struct access_try *t = r->tries;

    return r->status >= 500 || is_grpc_failure(r->grpc_status) || r->by_fallback ||
           (t != NULL &&
            (t->next != NULL || (t->error != NULL && r->status != STATUS_CLIENT_GONE)));
}

static bool was_refused(const struct access_record *r)
{
    return r->note != NULL || (r->status >= 400 && r->tries == NULL);
}

static bool was_slow(const struct access_record *r, const struct plan_explain *rule)
{
    return r->total_us > rule->slow_us && r->status != STATUS_TUNNEL;
}

/* --- what is kept --- */

static void put(struct decision *d, enum decision_says says, const char *text)
{
    if (text != NULL)
        decision_put_text(d, says, slice_of(text), WORDS_MAX);
}

static void put_compared(struct decision *d, const struct plan *plan,
                         const struct facts_compared *compared)
{
    if (compared == NULL)
        return;
    if (compared->rule < FACTS_RULES)
        put(d, DECISION_TRY_CHOSEN_BY, explain_rules[compared->rule]);
    for (unsigned i = 0; i < compared->count && i < FACTS_COMPARED_MAX; i++) {
        uint32_t number = compared->backends[i];
        const struct config_backend *backend = number > 0 && number <= plan->backends.count
                                                   ? plan->backends.list[number - 1].settings
                                                   : NULL;

        if (backend == NULL)
            continue;
        decision_put(d,
                     &(struct decision_item){.says = DECISION_TRY_COMPARED,
                                             .text = slice_of(backend->name),
                                             .value = compared->values[i]},
                     DECISION_NAME_MAX);
    }
}

static bool is_same_text(const char *one, const char *other)
{
    return one == other || (one != NULL && other != NULL && strcmp(one, other) == 0);
}

/* Did the one go as the other before it, at the same backend, without another choose? */
static bool is_again(const struct access_try *t, const struct access_try *before)
{
    return t->backend == before->backend && t->compared == NULL && t->status == before->status &&
           is_same_text(t->outcome, before->outcome) && is_same_text(t->error, before->error) &&
           is_same_text(t->said, before->said) && is_same_text(t->then, before->then) &&
           is_same_text(t->denied, before->denied);
}

/* And those behind it that went in the same way: the last one of them. */
static const struct access_try *put_try(struct decision *d, const struct plan *plan,
                                        const struct access_try *t)
{
    uint64_t us = t->us, times = 1;
    const struct access_try *last = t;

    for (; last->next != NULL && is_again(last->next, t); last = last->next) {
        us += last->next->us;
        times++;
    }
    decision_put(
        d,
        &(struct decision_item){.says = DECISION_TRY, .text = slice_of(t->backend), .number = us},
        DECISION_NAME_MAX);
    if (times > 1)
        decision_put(d, &(struct decision_item){.says = DECISION_TRY_TIMES, .number = times}, 0);
    put_compared(d, plan, t->compared);
    if (strcmp(t->outcome, "ok") == 0)
        return last;
    put(d, DECISION_TRY_OUTCOME, t->outcome);
    put(d, DECISION_TRY_ERROR, t->error);
    if (t->status != 0)
        decision_put(d, &(struct decision_item){.says = DECISION_TRY_STATUS, .number = t->status},
                     0);
    put(d, DECISION_TRY_SAID, t->said);
    put(d, DECISION_TRY_THEN, t->then);
    put(d, DECISION_TRY_DENIED, t->denied);
    return last;
}

static void put_explained(struct decision *d, const struct facts_pair *p)
{
    for (; p != NULL; p = p->next) {
        decision_put_text(d, DECISION_EXPLAIN_KEY, p->key, DECISION_NAME_MAX);
        if (p->is_literal && p->value.length <= WORDS_MAX)
            decision_put_text(d, DECISION_EXPLAIN_LITERAL, p->value, WORDS_MAX);
        else
            decision_put_text(d, DECISION_EXPLAIN_TEXT, p->value, WORDS_MAX);
    }
}

static void put_out(struct decision *d, const struct segment *segment,
                    const struct config_backend *backend, uint64_t now_ms, uint64_t since_ms)
{
    static const char *const states[] = {[STANDING_UP] = "up",
                                         [STANDING_DOWN] = "down",
                                         [STANDING_EJECTED] = "ejected",
                                         [STANDING_DRAINING] = "draining"};
    enum backend_standing standing = standing_of(segment, backend->slot, now_ms);
    char error[NUMBERS_ERROR_BYTES];
    struct buffer why = {0};

    decision_put(d,
                 &(struct decision_item){.says = DECISION_OUT,
                                         .text = slice_of(backend->name),
                                         .number = now_ms - since_ms},
                 DECISION_NAME_MAX);
    put(d, DECISION_OUT_STATE, states[standing]);
    if (standing == STANDING_DOWN)
        verdict_describe(&why, board_verdict(segment, backend->slot));
    else if (standing == STANDING_EJECTED && numbers_last_error(segment, backend->slot, error))
        buffer_append_text(&why, error);
    if (buffer_length(&why) > 0)
        decision_put_text(d, DECISION_OUT_WHY, buffer_slice(&why), WORDS_MAX);
    buffer_dispose(&why);
}

/* Those that were out when the request began, the first ones. */
static void put_all_out(struct decision *d, const struct plan *plan, uint64_t total_us)
{
    const struct segment *segment = plan->plans->segment;
    const struct membership *m = &plan->backends.members;
    uint64_t now_ms = clock_steady_ms(), began_ms = now_ms - total_us / 1000;

    for (unsigned i = 0, out = 0; i < m->listed && out < OUT_MAX; i++) {
        const struct config_backend *backend = m->list[m->order[i]].settings;
        uint64_t since_ms = standing_since_ms(segment, backend->slot, now_ms);

        if (board_is_available(segment, backend->slot, now_ms) || since_ms > began_ms)
            continue;
        put_out(d, segment, backend, now_ms, since_ms);
        out++;
    }
}

static uint32_t at_most_an_hour(uint64_t us)
{
    return us < 3600000000u ? (uint32_t)us : 3600000000u;
}

static uint8_t at_most_255(unsigned number)
{
    return number < 255 ? (uint8_t)number : 255;
}

static void describe(struct decision *d, const struct plan *plan, const struct access_record *r)
{
    d->ended_us = clock_wall_at(r->ended_us);
    memcpy(d->id, r->id.start, r->id.length < sizeof d->id ? r->id.length : sizeof d->id);
    d->edition = plan->edition;
    d->total_us = r->total_us;
    d->queue_us = at_most_an_hour(r->queue_us);
    d->policy_us = at_most_an_hour(r->policy_us);
    d->backends = plan->backends.members.listed;
    d->available = r->available;
    d->status = (uint16_t)r->status;
    d->client_port = (uint16_t)r->client_port;
    d->grpc_status = (int8_t)(r->grpc_status < INT8_MAX ? r->grpc_status : INT8_MAX);
    d->has_chosen = r->has_chosen;
    d->is_panic = r->is_panic;
    d->by_fallback = r->by_fallback;
    d->attempts = at_most_255(r->attempts);
    d->retries = at_most_255(r->retries);
    decision_put_text(d, DECISION_CLIENT, r->client_ip, CLIENT_MAX);
    decision_put_text(d, DECISION_METHOD, r->method, METHOD_MAX);
    decision_put_text(d, DECISION_TARGET, r->target, TARGET_MAX);
    if (r->trace.length > 0)
        decision_put_text(d, DECISION_TRACE, r->trace, WORDS_MAX);
    put(d, DECISION_NOTE, r->note);
    if (r->why.length > 0)
        decision_put_text(d, DECISION_WHY, r->why, WORDS_MAX);
    for (const struct access_try *t = r->tries; t != NULL && !d->is_cut; t = t->next)
        t = put_try(d, plan, t);
    if (r->has_chosen && (r->available < plan->backends.members.listed || r->is_panic))
        put_all_out(d, plan, r->total_us);
    put_explained(d, r->explained);
}

void explain_choose(struct facts_request *facts, struct access_record *r,
                    const struct facts_choice *list)
{
    if (!r->has_chosen) {
        r->has_chosen = true;
        r->available = list->count;
        r->is_panic = list->panic;
    }
    if (facts->compared == NULL)
        facts->compared = arena_alloc(facts->arena, sizeof *facts->compared);
    facts->compared->rule = FACTS_RULE_NONE;
    facts->compared->count = 0;
}

void explain_request(struct explain *x, const struct plan *plan, const struct access_record *r)
{
    const struct plan_explain *rule = &plan->explain;
    struct decision d;
    bool is_wrong = has_failed(r);

    if (!is_wrong && (was_refused(r) || was_slow(r, rule)))
        is_wrong = may_keep(&x->refused_us, rule->each_refused_us, rule->span_us, r->ended_us);
    if (!is_wrong && !may_keep(&x->usual_us, rule->each_us, rule->span_us, r->ended_us)) {
        totals_add(TOTALS_DECISIONS_NOT, 1);
        return;
    }
    memset(&d, 0, offsetof(struct decision, items));
    d.is_wrong = is_wrong;
    describe(&d, plan, r);
    decisions_keep(x->segment, x->worker, &d, is_wrong ? DECISIONS_WRONG_MAX : rule->keep);
    totals_add(is_wrong ? TOTALS_DECISIONS_WRONG : TOTALS_DECISIONS_USUAL, 1);
}
