/*
 * judge - what becomes of a request whose try has failed.
 *
 * The policy says what it wants; what is safe, the limits and the budget have the
 * last word, and no script can talk them out of it.
 */
#ifndef PROXY_JUDGE_H
#define PROXY_JUDGE_H

#include "proxy/attempt.h"
#include "proxy/proxy.h"

enum judgement {
    JUDGE_AT_ONCE, /* the same backend, over a fresh connection: only a pooled one was lost */
    JUDGE_RETRY,   /* the same backend, after a pause, over a fresh connection */
    JUDGE_NEXT,    /* another backend */
    JUDGE_FAIL,
};

/* Counts the try that follows, if one does, in facts, and else blames the backend. body_whole: all
 * that was read of the body is still here. note is set if a limit decided. */
enum judgement judge_failure(struct proxy *, const struct plan *, struct facts_request *,
                             struct attempt *, const struct attempt_failure *, bool body_whole,
                             const char **note);

#endif
