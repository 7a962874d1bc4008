#include "proxy/judge.h"

enum { TRIES_MAX = 32 }; /* of one request, whatever the policy says */

static bool judge_may_resend(const struct facts_request *facts, const struct attempt *a,
                             bool body_whole)
{
    return retry_is_safe(&(struct retry_facts){
        .was_sent = a->was_sent,
        .idempotent = facts->idempotent,
        .has_key = head_has(facts->head, SLICE("idempotency-key")),
        .allowed = facts->allow_replay,
        .body_whole = body_whole,
    });
}

/* What the policy wants, within what is safe and what the limits leave. */
static enum facts_verdict judge_bound(const struct judge *j, bool body_whole)
{
    const struct facts_request *facts = j->facts;
    struct proxy *proxy = j->proxy;

    if (j->verdict == FACTS_FAIL || !judge_may_resend(facts, j->attempt, body_whole) ||
        facts->tries >= TRIES_MAX)
        return FACTS_FAIL;
    if (j->verdict == FACTS_NEXT && facts->attempts >= j->plan->config->limits.attempts)
        return FACTS_FAIL;
    /* A connection that never was loads nobody twice. */
    if (j->attempt->was_sent && !retry_take(&proxy->budget, loop_now_ms(proxy->loop))) {
        *j->note = "limits.retry_budget";
        return FACTS_FAIL;
    }
    return j->verdict;
}

enum judgement judge_decide(struct judge *j, const struct attempt_failure *failure, bool body_whole)
{
    enum facts_verdict verdict = judge_bound(j, body_whole);
    struct facts_request *facts = j->facts;

    if (verdict == FACTS_RETRY) {
        facts->retries++;
        facts->tries++;
        return JUDGE_RETRY;
    }
    attempt_blame(j->attempt, failure);
    if (verdict == FACTS_FAIL)
        return JUDGE_FAIL;
    facts->attempts++;
    facts->tries++;
    facts->retries = 0;
    return JUDGE_NEXT;
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
