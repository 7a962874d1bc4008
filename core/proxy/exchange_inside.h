/*
 * exchange_inside - one exchange, for the files that share it: exchange.c, the way of a request,
 * review.c, switching.c, and ending.c, how it ends.
 */
#ifndef PROXY_EXCHANGE_INSIDE_H
#define PROXY_EXCHANGE_INSIDE_H

#include "proxy/access_log.h"
#include "proxy/answer.h"
#include "proxy/attempt.h"
#include "proxy/choice.h"
#include "proxy/judge.h"
#include "proxy/proxy.h"
#include "proxy/tracing.h"
#include "proxy/tunnel.h"
#include "proxy/upload.h"

/* In the first four nothing is open to a backend, and what comes of the body is kept. */
enum exchange_state {
    EXCHANGE_TAKING,     /* it begins, or with body_first the body comes, or a part of it */
    EXCHANGE_CHOOSING,   /* until the policy has chosen */
    EXCHANGE_WAITING,    /* all backends that it may choose from are full */
    EXCHANGE_JUDGING,    /* a try is over: until it is clear what follows, or its pause ends */
    EXCHANGE_CONNECTING, /* to a backend */
    EXCHANGE_FORWARDING, /* the request goes out, no final head yet */
    EXCHANGE_REVIEWING,  /* the policy looks at the final head */
    EXCHANGE_ANSWERING,  /* some of the response has gone to the client, or goes in this event */
    EXCHANGE_SWITCHING,  /* a 101 is here, and not yet all of the request */
    EXCHANGE_TUNNELLING,
    EXCHANGE_FINISHED,
};

struct exchange {
    struct proxy *proxy;
    struct plan *plan;     /* the script that it began with */
    struct list_node node; /* among the plan's exchanges */
    struct incoming *in;
    enum exchange_state state;
    struct facts_request facts;
    struct facts_decision decision;
    struct attempt attempt;
    struct attempt_failure failure; /* of the last try */
    struct deadline deadline;       /* over all tries */
    struct deadline pause;          /* before a try again */
    struct choice choice;
    struct waiter waiter;
    uint32_t choices; /* how many backends the policy was to choose from */
    struct policy_call asked;
    struct judge judge;
    struct try_counts counts;
    struct upload upload;
    struct answer answer;
    struct tunnel tunnel;
    struct access_record log;
    struct access_try *last_try;
    bool asked_policy;
    bool calls_on_done;      /* on_done is called when it is over */
    bool was_cut;            /* some of an answer is out, and no more will be */
    const char *deadline_of; /* what has set the deadline: for the log */
};

/* --- exchange_inside.c --- */

extern const struct state_row exchange_states[];

static inline void exchange_enter(struct exchange *e, enum exchange_state state)
{
    CHECK_STATE(exchange_states, e, e->state, state);
    e->state = state;
}

/* The counts, which the script sees in ctx, too. */
void exchange_set_counts(struct exchange *, struct try_counts);
void exchange_count(struct exchange *, enum judgement); /* the try that follows it, if one does */
void exchange_note_judgement(struct exchange *, enum judgement); /* for whoever asks why */

static inline bool exchange_is_sending(const struct exchange *e)
{
    return e->attempt.outgoing != NULL &&
           (e->state == EXCHANGE_FORWARDING || e->state == EXCHANGE_REVIEWING ||
            e->state == EXCHANGE_ANSWERING || e->state == EXCHANGE_SWITCHING);
}

void exchange_begin_span(struct exchange *); /* with tracing: of the try that begins */
void exchange_keep_span(struct exchange *);  /* its backend may be gone when it is written */

/* Of the last try's backend, for the log, as another is tried: it may be gone before the request is
 * over. */
static inline void exchange_keep_name(struct exchange *e, const struct backend *next)
{
    if (e->last_try == NULL || e->attempt.backend == next || e->plan->config->sources_count == 0)
        return;
    e->last_try->backend = arena_copy(&e->in->arena, slice_of(e->last_try->backend)).start;
    if (e->facts.trace != NULL)
        exchange_keep_span(e);
}

/* --- exchange.c --- */

void exchange_follow_judgement(struct exchange *, enum judgement);
/* Its head goes to the client, with these changes; NULL: none. */
void exchange_pass_response(struct exchange *, const struct field_changes *);

/* --- review.c --- */

/* The head of a final response is here: the policy looks at it before the client gets it. */
void exchange_review(struct exchange *);
void exchange_follow_review(struct exchange *); /* the policy has looked at last */

/* --- switching.c --- */

/* Inside the on_head of a 101: it becomes a tunnel, now or when the request is whole, or it is
 * refused. */
void exchange_switch(struct exchange *);
void exchange_begin_tunnel(struct exchange *); /* in SWITCHING, when it is whole */

/* --- ending.c: once it is finished, the exchange may not be used --- */

void exchange_end_try(struct exchange *, enum attempt_outcome); /* for the access line */
/* The one way out. */
void exchange_finish(struct exchange *);
void exchange_cut(struct exchange *); /* in ANSWERING: the answer cannot be completed */
/* Our own answer; the request goes no further. Once some of another answer is out there is only
 * the cut. Finishes. */
void exchange_reply(struct exchange *, unsigned status, struct slice why);
void exchange_reply_later(struct exchange *, unsigned status, struct slice why,
                          unsigned retry_after_s); /* 0: it does not say when */
void exchange_refuse_body(struct exchange *);      /* it is too large; finishes */
void exchange_end_drain(struct exchange *);        /* its backend has left; finishes */
/* To what goes no further than here (request.may_end_here); false: it does. Else finishes. */
bool exchange_answer_last_hop(struct exchange *);
void exchange_give_up(struct exchange *); /* what the last try failed with; finishes */
void exchange_respond(struct exchange *); /* what the policy decided to; finishes */

void exchange_on_deadline(struct deadline *);
void exchange_on_body_failed(struct incoming *, enum incoming_fault, const char *text);
void exchange_on_client_gone(struct incoming *);

#endif
