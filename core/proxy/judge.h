/*
 * judge - what becomes of a request whose try has failed.
 *
 * The policy says what it wants; what is safe, the limits and the budget have the
 * last word, and no script can talk them out of it.
 */
#ifndef PROXY_JUDGE_H
#define PROXY_JUDGE_H

#include "base/allowance.h"
#include "proxy/attempt.h"
#include "proxy/plan.h"

enum judgement {
    JUDGE_AWAITS,  /* the policy has not decided yet: judge_decide when it has */
    JUDGE_AT_ONCE, /* the same backend, over a fresh connection: only a pooled one was lost */
    JUDGE_RETRY,   /* the same backend, after a pause, over a fresh connection */
    JUDGE_NEXT,    /* another backend */
    JUDGE_FAIL,
};

struct try_counts {    /* of one request; each counts the try that is under way, too */
    uint32_t attempts; /* at one backend after the other: from 1 */
    uint32_t retries;  /* again at the same backend: from 0 */
    uint32_t tries;    /* all: from 1 */
    uint32_t at_once;  /* again at the same backend, as it was nobody's fault: from 0 */
};

struct judge {                 /* embedded; all zero at first, but for what it borrows */
    struct allowance *retries; /* limits.retry_budget, of the worker */
    const struct plan *plan;
    struct facts_request *facts;
    const struct try_counts *counts;
    struct attempt *attempt;
    struct policy_call *call; /* its on_done is followed by judge_decide */
    enum facts_verdict verdict;
    const char **note;  /* set if a limit decided */
    const char *denied; /* why what the policy wanted last may not be; NULL: it may */
};

/* The attempt has failed. Blames the backend, unless the same one is tried again. body_whole: all
 * that was read of the body is still here. */
enum judgement judge_failure(struct judge *, const struct attempt_failure *, bool body_whole);
/* The policy has decided at last; the same arguments. */
enum judgement judge_decide(struct judge *, const struct attempt_failure *, bool body_whole);
bool judge_may_repeat(const struct judge *, bool body_whole); /* as far as it is safe */
/* A response came, and the policy wants the request to go out once more (FACTS_REPEAT or
 * _ELSEWHERE). JUDGE_FAIL: it may not, and the note says why. */
enum judgement judge_review(struct judge *, enum facts_review, bool body_whole);

#endif
