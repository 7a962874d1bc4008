/*
 * The policy looks at a response before any of it has gone to the client:
 *
 *   review --> follow --> pass it on
 *                '------> throw it away; try again, or an answer of the script's own
 */
#include "proxy/exchange_inside.h"

/* A backend that answers before the body has ended may be in a talk with the client, of which the
 * next one would hear the second half only. */
static bool exchange_is_whole(const struct exchange *e)
{
    return e->upload.is_whole && e->in->body_complete;
}

void exchange_review(struct exchange *e)
{
    struct attempt *a = &e->attempt;
    const struct facts_response response = {a->backend->index, a->outgoing->head};

    exchange_enter(e, EXCHANGE_REVIEWING);
    e->facts.replayable = judge_may_repeat(&e->judge, exchange_is_whole(e));
    if (policy_on_response(e->plan->policy, &e->asked, &e->facts, &response, &e->decision) ==
        POLICY_DONE)
        exchange_follow_review(e);
    else
        attempt_hold(a);
}

/* With the overrides of on_response, which win over the overrides of choose. */
static void exchange_pass(struct exchange *e)
{
    const struct field_changes *chosen = attempt_response_changes(&e->attempt);
    struct facts_overrides *overrides = e->decision.overrides;

    if (overrides == NULL) {
        exchange_pass_response(e, chosen);
        return;
    }
    if (chosen != NULL)
        changes_lay_over(&overrides->response, e->facts.arena, chosen);
    exchange_pass_response(e, &overrides->response);
}

/* Its connection ends with it: what it still has to say would have to be waited for. */
static void exchange_discard_response(struct exchange *e, const char *said)
{
    e->last_try->said = said;
    e->last_try->status = e->attempt.outgoing->head->status;
    exchange_end_try(e, ATTEMPT_DISCARDED);
    attempt_cancel(&e->attempt);
}

static bool exchange_has_others(struct exchange *e)
{
    choice_note_tried(&e->choice, e->attempt.backend->index);
    return choice_list(&e->choice).count > 0;
}

static void exchange_repeat(struct exchange *e)
{
    enum judgement judgement;

    if (e->decision.review == FACTS_ELSEWHERE && !exchange_has_others(e)) {
        e->log.note = "there is no other backend for on_response";
        exchange_pass(e);
        return;
    }
    judgement = judge_review(&e->judge, e->decision.review, exchange_is_whole(e));
    if (judgement == JUDGE_FAIL) {
        exchange_pass(e);
        return;
    }
    exchange_discard_response(e, judgement == JUDGE_NEXT ? "next" : "retry");
    exchange_enter(e, EXCHANGE_JUDGING);
    exchange_follow_judgement(e, judgement);
}

void exchange_follow_review(struct exchange *e)
{
    switch (e->decision.review) {
    case FACTS_PASS:
        exchange_pass(e);
        break;
    case FACTS_REPEAT:
    case FACTS_ELSEWHERE:
        exchange_repeat(e);
        break;
    case FACTS_REPLACE:
        exchange_discard_response(e, "another answer");
        e->log.why = e->decision.why;
        exchange_respond(e);
        break;
    }
}
