/*
 * trace_context - traceparent and tracestate (W3C Trace Context, level 2). Pure.
 *
 *   traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *                version   trace                      span         flags
 */
#ifndef HTTP_TRACE_CONTEXT_H
#define HTTP_TRACE_CONTEXT_H

#include "http/head.h"

enum { TRACE_PARENT_BYTES = 55, TRACE_ID_BYTES = 32, TRACE_STATE_MAX = 512 };

struct trace_context {
    char text[TRACE_PARENT_BYTES]; /* the value of traceparent, for the next span */
    bool is_sampled;               /* as its caller, or lb, has decided when it began */
    bool is_random;                /* the right half of the trace's id is random */
    bool drops_state;              /* tracestate is another trace's, or too long */
    uint64_t parent;               /* the caller's span; 0: the trace begins here */
};

/* Continues the trace that the head names. False, and nothing is done: it names none, or not as
 * the standard has it. */
bool trace_context_continue(struct trace_context *, const struct head *);
/* Begins one. Its id is a random number, then the id, 16 digits that are as random. */
void trace_context_begin(struct trace_context *, uint64_t random, struct slice id, bool is_sampled);
/* The text is for that span from now on. */
void trace_context_set_span(struct trace_context *, uint64_t span, bool is_sampled);

static inline struct slice trace_context_id(const struct trace_context *t)
{
    return (struct slice){t->text + sizeof "00-" - 1, TRACE_ID_BYTES};
}

#endif
