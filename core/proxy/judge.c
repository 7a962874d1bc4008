#include "proxy/judge.h"

#include "proxy/retry.h"

enum {
    TRIES_MAX = 32,      /* of one request, whatever the policy says */
    UNPROCESSED_MAX = 3, /* at one backend that does not begin with it */
};

static const char limit_of_budget[] = "limits.retry_budget";

bool judge_may_repeat(const struct judge *j, bool body_whole)
{
    const struct facts_request *facts = j->facts;

    return retry_is_safe(&(struct retry_facts){
        .was_sent = j->attempt->was_sent,
        .idempotent = facts->idempotent,
        .has_key = head_find(facts->head, SLICE("idempotency-key")) != NULL,
        .allowed = facts->allow_replay,
        .body_whole = body_whole,
    });
}

/* NULL: the request may go out once more, and has taken its part of the budget. Else why not. */
static const char *judge_objection(const struct judge *j, bool is_next, bool body_whole)
{
    const struct try_counts *counts = j->counts;

    if (!judge_may_repeat(j, body_whole)) {
        totals_add(TOTALS_DENIED_UNSAFE, 1);
        return "the request may not go out twice";
    }
    if (counts->tries >= TRIES_MAX ||
        (is_next && counts->attempts >= j->plan->config->limits.attempts)) {
        totals_add(TOTALS_DENIED_ATTEMPTS, 1);
        return "limits.attempts";
    }
    /* A connection that never was loads nobody twice. */
    if (j->attempt->was_sent && !allowance_take(j->retries, loop_now_ms(j->attempt->loop))) {
        totals_add(TOTALS_DENIED_BUDGET, 1);
        return limit_of_budget;
    }
    return NULL;
}

/* What the policy wants, within what is safe and what the limits leave. */
static enum facts_verdict judge_bound(struct judge *j, bool body_whole)
{
    const char *objection = NULL;

    if (j->verdict != FACTS_FAIL)
        objection = judge_objection(j, j->verdict == FACTS_NEXT, body_whole);
    if (objection == limit_of_budget)
        *j->note = objection;
    j->denied = objection;
    return objection == NULL ? j->verdict : FACTS_FAIL;
}

enum judgement judge_decide(struct judge *j, const struct attempt_failure *failure, bool body_whole)
{
    enum facts_verdict verdict = judge_bound(j, body_whole);

    if (verdict == FACTS_RETRY)
        return JUDGE_RETRY;
    attempt_blame(j->attempt, failure);
    return verdict == FACTS_FAIL ? JUDGE_FAIL : JUDGE_NEXT;
}

enum judgement judge_review(struct judge *j, enum facts_review review, bool body_whole)
{
    bool is_next = review == FACTS_ELSEWHERE;
    const char *objection = judge_objection(j, is_next, body_whole);

    j->denied = objection;
    if (objection != NULL) {
        *j->note = objection;
        return JUDGE_FAIL;
    }
    return is_next ? JUDGE_NEXT : JUDGE_RETRY;
}

/* Nobody's fault: a pooled connection was lost, or another one takes the request. */
static bool judge_goes_at_once(const struct judge *j, enum attempt_outcome outcome)
{
    if (!j->facts->replayable || j->counts->tries >= TRIES_MAX)
        return false;
    return outcome == ATTEMPT_STALE ||
           (outcome == ATTEMPT_UNPROCESSED && j->counts->at_once < UNPROCESSED_MAX);
}

enum judgement judge_failure(struct judge *j, const struct attempt_failure *failure,
                             bool body_whole)
{
    const struct facts_failure asked = {.kind = failure->kind,
                                        .phase = failure->phase,
                                        .message = slice_of(failure->message),
                                        .backend = j->attempt->backend->index};
    struct facts_request *facts = j->facts;

    j->denied = NULL;
    facts->replayable = judge_may_repeat(j, body_whole);
    if (judge_goes_at_once(j, failure->outcome))
        return JUDGE_AT_ONCE;
    if (policy_on_failure(j->plan->policy, j->call, facts, &asked, &j->verdict) == POLICY_AWAITS)
        return JUDGE_AWAITS;
    return judge_decide(j, failure, body_whole);
}
