#include "proxy/exchange_inside.h"

/* --- the states --- */

#define OF(state) (1u << EXCHANGE_##state)

const struct state_row exchange_states[] = {
    [EXCHANGE_TAKING] = {"taking", OF(CHOOSING) | OF(WAITING) | OF(FINISHED)},
    [EXCHANGE_CHOOSING] = {"choosing", OF(CHOOSING) | OF(WAITING) | OF(CONNECTING) | OF(FINISHED)},
    [EXCHANGE_WAITING] = {"waiting", OF(CHOOSING) | OF(WAITING) | OF(FINISHED)},
    [EXCHANGE_JUDGING] = {"judging", OF(CHOOSING) | OF(WAITING) | OF(CONNECTING) | OF(FINISHED)},
    [EXCHANGE_CONNECTING] = {"connecting", OF(FORWARDING) | OF(JUDGING) | OF(FINISHED)},
    [EXCHANGE_FORWARDING] = {"forwarding", OF(REVIEWING) | OF(ANSWERING) | OF(SWITCHING) |
                                               OF(TUNNELLING) | OF(JUDGING) | OF(FINISHED)},
    [EXCHANGE_REVIEWING] = {"reviewing", OF(ANSWERING) | OF(JUDGING) | OF(FINISHED)},
    [EXCHANGE_ANSWERING] = {"answering", OF(FINISHED)},
    [EXCHANGE_SWITCHING] = {"switching", OF(TUNNELLING) | OF(JUDGING) | OF(FINISHED)},
    [EXCHANGE_TUNNELLING] = {"tunnelling", OF(FINISHED)},
    [EXCHANGE_FINISHED] = {"finished", 0},
};

/* --- the counts --- */

void exchange_set_counts(struct exchange *e, struct try_counts counts)
{
    e->counts = counts;
    e->facts.attempts = counts.attempts;
    e->facts.retries = counts.retries;
    e->facts.tries = counts.tries;
}

void exchange_count(struct exchange *e, enum judgement judgement)
{
    struct try_counts counts = e->counts;

    if (judgement == JUDGE_AWAITS || judgement == JUDGE_FAIL)
        return;
    counts.tries++;
    if (judgement == JUDGE_RETRY) {
        counts.retries++;
        e->log.retries++;
        totals_add(TOTALS_RETRY_AGAIN, 1);
    } else if (judgement == JUDGE_NEXT) {
        counts.attempts++;
        counts.retries = counts.at_once = 0;
        totals_add(TOTALS_RETRY_NEXT, 1);
    } else {
        counts.at_once++;
        totals_add(TOTALS_RETRY_AT_ONCE, 1);
    }
    exchange_set_counts(e, counts);
}

/* --- why --- */

void exchange_note_judgement(struct exchange *e, enum judgement judgement)
{
    static const char *const names[] = {[JUDGE_AT_ONCE] = "at once",
                                        [JUDGE_RETRY] = "retry",
                                        [JUDGE_NEXT] = "next",
                                        [JUDGE_FAIL] = "fail"};
    static const char *const verdicts[] = {
        [FACTS_RETRY] = "retry", [FACTS_NEXT] = "next", [FACTS_FAIL] = "fail"};
    struct access_try *t = e->last_try;

    if (judgement == JUDGE_AWAITS)
        return;
    t->then = names[judgement];
    if (t->status == 0 && judgement != JUDGE_AT_ONCE)
        t->said = verdicts[e->judge.verdict];
    t->denied = e->judge.denied;
}

/* --- tracing --- */

void exchange_begin_span(struct exchange *e)
{
    struct access_try *t = e->last_try;

    t->to = e->attempt.backend->settings;
    t->why = e->decision.why;
    t->began_us = loop_event_us(e->proxy->loop);
    tracing_begin_try(&e->facts, t, &e->plan->config->tracing);
}

void exchange_keep_span(struct exchange *e)
{
    struct access_try *t = e->last_try;
    struct config_backend *kept = arena_alloc(&e->in->arena, sizeof *kept);

    *kept = *t->to;
    kept->text = arena_copy(&e->in->arena, slice_of(kept->text)).start;
    t->to = kept;
}
