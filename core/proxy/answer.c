#include "proxy/answer.h"

#include "base/date.h"
#include "http/forward.h"
#include "proxy/relay.h"

void answer_init(struct answer *answer, struct incoming *in, bool omits_via)
{
    *answer = (struct answer){.in = in, .omits_via = omits_via, .framing = FRAMING_NONE};
}

static struct forward_response answer_forward(const struct answer *answer, const struct outgoing *o)
{
    return (struct forward_response){.head = &o->parse.head,
                                     .framing = FRAMING_NONE,
                                     .length = o->length,
                                     .date = date_now(),
                                     .omits_via = answer->omits_via,
                                     .client_version = incoming_head(answer->in)->version};
}

static void answer_add(struct answer *answer, const struct forward_response *forward)
{
    struct incoming *in = answer->in;

    incoming_add_head(in, forward_response_head(stream_room(incoming_stream(in)->loop), forward));
}

void answer_interim(struct answer *answer, const struct outgoing *o, const struct changes *changes)
{
    struct forward_response forward = answer_forward(answer, o);

    forward.omits_via |= changes_name(changes, SLICE("via"));
    if (forward.client_version == VERSION_1_1) /* RFC 9110, 15.2 */
        answer_add(answer, &forward);
}

void answer_switch(struct answer *answer, const struct outgoing *o, const struct changes *changes)
{
    struct forward_response forward = answer_forward(answer, o);

    forward.omits_via |= changes_name(changes, SLICE("via"));
    forward.is_upgrade = true;
    answer_add(answer, &forward);
}

void answer_begin(struct answer *answer, const struct outgoing *o, const struct changes *changes)
{
    struct forward_response forward = answer_forward(answer, o);
    struct incoming *in = answer->in;

    answer->framing = forward.framing = framing_for_client(o->framing, forward.client_version);
    incoming_begin_answer(in, true);
    in->answers_in_chunks = answer->framing == FRAMING_CHUNKED;
    in->needs_reset = answer->framing == FRAMING_UNTIL_CLOSE;
    in->closes |= in->needs_reset;
    forward.closes = in->closes;
    forward.changes = changes;
    answer_add(answer, &forward);
}

bool answer_piece(struct answer *answer, struct slice piece)
{
    relay_piece(incoming_stream(answer->in), answer->framing, piece);
    return answer_passed(answer, piece.length);
}

bool answer_passed(struct answer *answer, size_t length)
{
    struct stream *to = incoming_stream(answer->in);

    answer->bytes += length;
    if (stream_backlog(to) == 0)
        return true;
    incoming_watch(answer->in);
    return false;
}

void answer_end(struct answer *answer, struct slice trailers)
{
    relay_end(incoming_stream(answer->in), answer->framing, trailers);
}
