/*
 * What becomes of a 101 (RFC 9110, 7.8):
 *
 *   101 --to what was offered, and the request is whole--> TUNNELLING
 *    |                       '--its body is still coming--> held --its end--> TUNNELLING
 *    '--to anything else--> refused: 502
 *
 * The new protocol begins behind the request, whose body is sent to its end first. So the client
 * gets a 101 that came too early only then, and the backend nothing that stands behind the body.
 */
#include "http/upgrade.h"
#include "proxy/exchange_inside.h"

static void on_tunnel_over(struct tunnel *t, enum attempt_outcome outcome, const char *note)
{
    struct exchange *e = list_entry(t, struct exchange, tunnel);

    e->answer.bytes = t->bytes_out;
    e->log.note = note;
    exchange_end_try(e, outcome);
    exchange_finish(e);
}

void exchange_begin_tunnel(struct exchange *e)
{
    struct outgoing *o = e->attempt.outgoing;

    exchange_enter(e, EXCHANGE_TUNNELLING);
    deadline_clear(&e->deadline); /* timeouts.request is for what has an end of its own */
    outgoing_flush(o);            /* it borrows what is dropped here */
    upload_drop(&e->upload);
    e->log.status = 101;
    answer_interim(&e->answer, o, attempt_response_changes(&e->attempt));
    e->tunnel = (struct tunnel){.in = e->in,
                                .attempt = &e->attempt,
                                .idle_ms = e->plan->config->timeouts.tunnel_ms,
                                .on_over = on_tunnel_over};
    tunnel_begin(&e->tunnel);
}

void exchange_switch(struct exchange *e)
{
    if (!upgrade_agrees(incoming_head(e->in), e->attempt.outgoing->head)) {
        attempt_refuse(&e->attempt, "an upgrade to what was not offered");
    } else if (e->in->body_complete) {
        exchange_begin_tunnel(e);
    } else {
        exchange_enter(e, EXCHANGE_SWITCHING);
        attempt_hold(&e->attempt);
    }
}
