#include "proxy/answer.h"

#include "base/date.h"
#include "http/forward.h"

void answer_interim(struct answer *answer, const struct outgoing *o,
                    const struct field_changes *changes)
{
    const struct head *head = o->head;

    incoming_send_head(answer->in,
                       &(struct forward_response){
                           .head = head,
                           .is_upgrade = head->status == 101,
                           .omits_via = answer->omits_via || changes_name(changes, SLICE("via")),
                       },
                       (struct body_size){BODY_NONE, 0});
}

void answer_begin(struct answer *answer, const struct outgoing *o,
                  const struct field_changes *changes)
{
    incoming_send_head(answer->in,
                       &(struct forward_response){
                           .head = o->head,
                           .date = date_now(),
                           .changes = changes,
                           .omits_via = answer->omits_via,
                       },
                       o->size);
}

bool answer_piece(struct answer *answer, struct slice piece)
{
    incoming_send_body(answer->in, piece);
    return answer_passed(answer, piece.length);
}

bool answer_passed(struct answer *answer, size_t length)
{
    answer->bytes += length;
    if (incoming_backlog(answer->in) == 0)
        return true;
    incoming_watch(answer->in);
    return false;
}
