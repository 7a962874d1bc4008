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
static enum facts_verdict judge_ask(struct proxy *proxy, const struct plan *plan,
                                    struct facts_request *facts, const struct attempt *a,
                                    const struct attempt_failure *failure, bool body_whole,
                                    const char **note)
{
    const struct facts_failure told = {
        .kind = failure->kind, .phase = failure->phase, .message = slice_of(failure->message)};
    enum facts_verdict verdict;

    facts->replayable = judge_may_resend(facts, a, body_whole);
    verdict = policy_on_failure(plan->policy, facts, a->backend->index, &told);
    if (verdict == FACTS_FAIL || !judge_may_resend(facts, a, body_whole) ||
        facts->tries >= TRIES_MAX)
        return FACTS_FAIL;
    if (verdict == FACTS_NEXT && facts->attempts >= plan->config->limits.attempts)
        return FACTS_FAIL;
    /* A connection that never was loads nobody twice. */
    if (a->was_sent && !retry_take(&proxy->budget, loop_now_ms(proxy->loop))) {
        *note = "limits.retry_budget";
        return FACTS_FAIL;
    }
    return verdict;
}

enum judgement judge_failure(struct proxy *proxy, const struct plan *plan,
                             struct facts_request *facts, struct attempt *a,
                             const struct attempt_failure *failure, bool body_whole,
                             const char **note)
{
    enum facts_verdict verdict;

    if (failure->outcome == ATTEMPT_STALE && judge_may_resend(facts, a, body_whole) &&
        facts->tries < TRIES_MAX) {
        facts->tries++;
        return JUDGE_AT_ONCE;
    }
    verdict = judge_ask(proxy, plan, facts, a, failure, body_whole, note);
    if (verdict == FACTS_RETRY) {
        facts->retries++;
        facts->tries++;
        return JUDGE_RETRY;
    }
    attempt_blame(a, failure);
    if (verdict == FACTS_FAIL)
        return JUDGE_FAIL;
    facts->attempts++;
    facts->tries++;
    facts->retries = 0;
    return JUDGE_NEXT;
}
