#include "proxy/judge.h"

#include "proxy/retry.h"

enum { TRIES_MAX = 32 }; /* of one request, whatever the policy says */

static const char limit_of_budget[] = "limits.retry_budget";

static bool judge_may_resend(const struct facts_request *facts, const struct attempt *a,
                             bool body_whole)
{
    return retry_is_safe(&(struct retry_facts){
        .was_sent = a->was_sent,
        .idempotent = facts->idempotent,
        .has_key = head_find(facts->head, SLICE("idempotency-key")) != NULL,
        .allowed = facts->allow_replay,
        .body_whole = body_whole,
    });
}

bool judge_may_repeat(const struct judge *j, bool body_whole)
{
    return judge_may_resend(j->facts, j->attempt, body_whole);
}

/* NULL: the request may go out once more, and has taken its part of the budget. Else why not. */
static const char *judge_objection(const struct judge *j, bool is_next, bool body_whole)
{
    const struct facts_request *facts = j->facts;

    if (!judge_may_resend(facts, j->attempt, body_whole))
        return "the request may not go out twice";
    if (facts->tries >= TRIES_MAX ||
        (is_next && facts->attempts >= j->plan->config->limits.attempts))
        return "limits.attempts";
    /* A connection that never was loads nobody twice. */
    if (j->attempt->was_sent && !allowance_take(j->retries, loop_now_ms(j->attempt->loop)))
        return limit_of_budget;
    return NULL;
}

/* What the policy wants, within what is safe and what the limits leave. */
static enum facts_verdict judge_bound(const struct judge *j, bool body_whole)
{
    const char *objection = NULL;

    if (j->verdict != FACTS_FAIL)
        objection = judge_objection(j, j->verdict == FACTS_NEXT, body_whole);
    if (objection == limit_of_budget)
        *j->note = objection;
    return objection == NULL ? j->verdict : FACTS_FAIL;
}

static enum judgement judge_next(struct facts_request *facts)
{
    facts->attempts++;
    facts->tries++;
    facts->retries = 0;
    return JUDGE_NEXT;
}

static enum judgement judge_retry(struct facts_request *facts)
{
    facts->retries++;
    facts->tries++;
    return JUDGE_RETRY;
}

enum judgement judge_decide(struct judge *j, const struct attempt_failure *failure, bool body_whole)
{
    enum facts_verdict verdict = judge_bound(j, body_whole);
    struct facts_request *facts = j->facts;

    if (verdict == FACTS_RETRY)
        return judge_retry(facts);
    attempt_blame(j->attempt, failure);
    if (verdict == FACTS_FAIL)
        return JUDGE_FAIL;
    return judge_next(facts);
}

enum judgement judge_review(struct judge *j, enum facts_review review, bool body_whole)
{
    bool is_next = review == FACTS_ELSEWHERE;
    const char *objection = judge_objection(j, is_next, body_whole);

    if (objection != NULL) {
        *j->note = objection;
        return JUDGE_FAIL;
    }
    return is_next ? judge_next(j->facts) : judge_retry(j->facts);
}

enum judgement judge_failure(struct judge *j, const struct attempt_failure *failure,
                             bool body_whole)
{
    const struct facts_failure told = {
        .kind = failure->kind, .phase = failure->phase, .message = slice_of(failure->message)};
    struct facts_request *facts = j->facts;

    facts->replayable = judge_may_resend(facts, j->attempt, body_whole);
    if (failure->outcome == ATTEMPT_STALE && facts->replayable && facts->tries < TRIES_MAX) {
        facts->tries++;
        return JUDGE_AT_ONCE;
    }
    if (policy_on_failure(j->plan->policy, j->call, facts, j->attempt->backend->index, &told,
                          &j->verdict) == POLICY_AWAITS)
        return JUDGE_AWAITS;
    return judge_decide(j, failure, body_whole);
}
