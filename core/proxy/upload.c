#include "proxy/upload.h"

#include "base/mem.h"

void upload_init(struct upload *u, struct incoming *in, const struct config_limits *limits)
{
    *u = (struct upload){
        .in = in, .keep_max = limits->replay, .body_max = limits->body, .is_whole = true};
}

bool upload_is_too_large(const struct upload *u)
{
    return u->body_max > 0 &&
           (u->in->body_bytes > u->body_max || incoming_body_size(u->in).length > u->body_max);
}

size_t upload_held_bytes(const struct upload *u)
{
    return mem_size(u->kept.bytes);
}

void upload_drop(struct upload *u)
{
    u->is_whole = false;
    buffer_dispose(&u->kept);
}

bool upload_keep(struct upload *u, struct slice piece)
{
    buffer_append(&u->kept, piece);
    if (buffer_length(&u->kept) < u->keep_max && !mem_is_tight())
        return true;
    incoming_pause(u->in);
    return false;
}

void upload_send(struct upload *u, struct attempt *a, struct slice piece)
{
    if (u->is_whole && buffer_length(&u->kept) + piece.length <= u->keep_max && !mem_is_tight())
        buffer_append(&u->kept, piece);
    else
        upload_drop(u);
    outgoing_send_body(a->outgoing, piece);
    if (outgoing_backlog(a->outgoing) > 0)
        incoming_pause(u->in);
    attempt_sending(a, false);
}

void upload_begin(struct upload *u, struct attempt *a)
{
    struct outgoing *to = a->outgoing;

    if (buffer_length(&u->kept) > 0)
        outgoing_send_body(to, buffer_slice(&u->kept));
    if (u->in->body_complete) {
        upload_end(u, a);
    } else {
        if (!u->in->body_follows) /* else the head leaves with it */
            outgoing_flush(to);
        attempt_sending(a, u->in->awaits_continue);
        if (outgoing_backlog(to) > 0)
            incoming_pause(u->in);
        else
            incoming_resume(u->in);
    }
    if (buffer_length(&u->kept) <= (mem_is_tight() ? 0 : u->keep_max))
        return;
    outgoing_flush(to); /* it borrows what is dropped here */
    upload_drop(u);
}

void upload_end(struct upload *u, struct attempt *a)
{
    const struct field_changes *changes = a->overrides != NULL ? &a->overrides->request : NULL;

    outgoing_send_end(a->outgoing, incoming_trailers(u->in, changes));
    attempt_sent(a);
}
