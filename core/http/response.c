/*
 *   MORE .. --> HEAD, interim --> MORE .. --> HEAD, final --> MORE .. --> END
 *                                               `-- no body ---------------^
 */
#include "http/response.h"

void response_expect(struct response *r, const struct parse_limits *limits, struct arena *arena,
                     bool answers_head, bool may_switch,
                     void (*on_body)(struct parse *, struct slice))
{
    response_dispose(r);
    parse_init_response(&r->parse, limits, arena, answers_head, on_body);
    r->interim_bytes = 0;
    r->fault = RESPONSE_FINE;
    r->may_switch = may_switch;
    r->has_surplus = false;
}

void response_dispose(struct response *r)
{
    parse_dispose(&r->parse);
}

static enum response_step response_fail(struct response *r, enum response_fault fault)
{
    r->fault = fault;
    return RESPONSE_FAILED;
}

enum response_step response_take_head(struct response *r)
{
    const struct head *head = &r->parse.head;

    r->framing = framing_of_response(head, r->parse.is_head_answer, &r->length);
    if (head->status < 200)
        r->interim_bytes += r->parse.head_bytes;
    if (r->interim_bytes > r->parse.limits->head)
        return response_fail(r, RESPONSE_LARGE_INTERIM);
    if (head->status == 101 && !r->may_switch)
        return response_fail(r, RESPONSE_UNASKED_SWITCH);
    if (r->framing == FRAMING_REFUSED || !parse_agrees(&r->parse, r->framing, r->length))
        return response_fail(r, RESPONSE_AMBIGUOUS_LENGTH);
    return RESPONSE_HEAD;
}

void response_expect_next(struct response *r)
{
    struct parse *p = &r->parse;

    parse_dispose(p);
    parse_init_response(p, p->limits, p->arena, p->is_head_answer, p->on_body);
}

extern enum response_step response_feed(struct response *, struct slice *);

bool response_ends_here(struct response *r)
{
    return r->parse.has_head && parse_finish(&r->parse) == PARSE_END;
}

bool response_keeps_connection(const struct response *r)
{
    return !r->has_surplus && r->framing != FRAMING_UNTIL_CLOSE && head_keeps_alive(&r->parse.head);
}

const char *response_fault_text(const struct response *r)
{
    switch (r->fault) {
    case RESPONSE_LARGE_INTERIM:
        return "interim responses larger than limits.head";
    case RESPONSE_UNASKED_SWITCH:
        return "an upgrade that nobody asked for";
    case RESPONSE_AMBIGUOUS_LENGTH:
        return framing_fault_text(&r->parse.head);
    default:
        return r->parse.why;
    }
}
