/*
 * call - one call of a hook on behalf of an owner, which may await.
 */
#ifndef POLICY_CALL_H
#define POLICY_CALL_H

#include "policy/facts.h"
#include "script/script.h"

struct policy;

enum policy_progress {
    POLICY_DONE,   /* the answer is there */
    POLICY_AWAITS, /* the hook waits for something, and on_done follows */
};

/* What a hook is asked, and where its answer goes. */
struct policy_question {
    enum hook hook;
    struct facts_request *request;       /* NULL: of no request */
    const struct facts_choice *choice;   /* of choose */
    const struct facts_failure *failure; /* of on_failure and on_health */
    void *out; /* a facts_decision of choose and on_response, a facts_verdict, a facts_check */
};

/* The hook has returned, or broken off: puts the answer there, or what takes its place. */
typedef void policy_end(struct policy *, const struct policy_question *, enum breach,
                        double answer);

/* One call of a hook: embedded in its owner, all zero but for on_done before the first
 * call, and in place until its end or policy_cancel. One call at a time. */
struct policy_call {
    /* After POLICY_AWAITS: the answer is where it was to be put. Comes from the loop, once, and
     * never inside the call that asked. */
    void (*on_done)(struct policy_call *);
    /* By the script, in all calls so far, from their beginning to their end, awaits included. Of
     * choose, on_response and on_failure, and only where the log has a line for each request. */
    uint64_t took_us;
    /* The policy's own. */
    uint64_t begun_us; /* 0: none is under way, or it is not measured */
    bool is_timed;     /* for the totals */
    struct policy *policy;
    double number; /* of the call, while it awaits */
    struct script_run run;
    policy_end *end;                 /* while it awaits, as what follows */
    struct policy_question question; /* with copies of what it points to: */
    struct facts_choice choice;
    struct facts_failure failure;
};

#endif
