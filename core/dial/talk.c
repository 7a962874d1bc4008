#include "dial/talk.h"

#include "base/mem.h"

/* --- endings --- */

/* why says what has failed. */
static enum talk_step talk_let_go(struct talk *t)
{
    t->has_failed = true;
    t->wish = TALK_NOTHING;
    deadline_clear(&t->limit);
    dial_cancel(&t->dial);
    if (t->link != NULL)
        link_close(t->link);
    t->link = NULL;
    mem_free(t->secured);
    t->secured = NULL;
    held_dispose(&t->in);
    t->taken = 0;
    return TALK_FAILED;
}

void talk_close(struct talk *t, const char *why)
{
    if (t->has_failed)
        return;
    dial_say_why(t->why, "closed", "%s", why);
    (void)talk_let_go(t);
}

static enum talk_step talk_fail(struct talk *t, const char *kind, const char *what)
{
    dial_say_why(t->why, kind, "%s", what);
    return talk_let_go(t);
}

/* The last statement of an event. */
static void talk_tell(struct talk *t, enum talk_step step)
{
    if (step == TALK_WAITS)
        return;
    t->wish = TALK_NOTHING;
    deadline_clear(&t->limit);
    if (t->link != NULL)
        stream_pause(&t->link->stream);
    t->on_over(t, step);
}

static enum talk_step talk_fail_by_end(struct talk *t)
{
    const struct tls *tls = t->link->stream.tls;

    if (t->failure == UV_EPROTO && tls != NULL && tls->why != NULL)
        return talk_fail(t, "tls", tls->why);
    return talk_fail(t, "closed",
                     t->failure == 0            ? "by the peer"
                     : t->failure == STREAM_CUT ? "by the peer, without a close_notify"
                                                : uv_strerror(t->failure));
}

/* --- reading --- */

/* A connection that waits for a script owns no buffer. */
static void talk_forget_result(struct talk *t)
{
    buffer_consume(&t->in, t->taken);
    t->taken = 0;
    t->result = (struct slice){"", 0};
    if (buffer_length(&t->in) == 0)
        held_dispose(&t->in);
}

static enum talk_step talk_take(struct talk *t, size_t length, size_t with_end)
{
    t->result = (struct slice){buffer_slice(&t->in).start, length};
    t->taken = with_end;
    t->looked = 0;
    return TALK_DONE;
}

static enum talk_step talk_look_for_line(struct talk *t)
{
    struct slice in = buffer_slice(&t->in);
    const char *end = memchr(in.start + t->looked, '\n', in.length - t->looked);
    size_t until_end = end != NULL ? (size_t)(end - in.start) : in.length;
    /* A CR that comes last may be of an end that is still on its way. */
    bool has_cr = until_end > 0 && in.start[until_end - 1] == '\r';
    size_t length = until_end - (has_cr ? 1 : 0);

    if (length > t->wanted) {
        dial_say_why(t->why, "limit", "a line longer than %zu bytes", t->wanted);
        return talk_let_go(t);
    }
    if (end != NULL)
        return talk_take(t, length, until_end + 1);
    t->looked = in.length;
    return TALK_WAITS;
}

static enum talk_step talk_look(struct talk *t)
{
    enum talk_step step = TALK_WAITS;

    if (t->wish == TALK_LINE)
        step = talk_look_for_line(t);
    else if (t->wish == TALK_READ && buffer_length(&t->in) >= t->wanted)
        step = talk_take(t, t->wanted, t->wanted);
    if (step == TALK_WAITS && t->has_ended)
        return talk_fail_by_end(t);
    return step;
}

static enum talk_step talk_begin(struct talk *t, enum talk_wish wish)
{
    CHECK(t->wish == TALK_NOTHING);
    talk_forget_result(t);
    if (t->has_failed)
        return TALK_FAILED;
    CHECK(t->link != NULL);
    t->wish = wish;
    return TALK_WAITS;
}

/* The operation continues in the loop, unless it is over already. */
static enum talk_step talk_wait(struct talk *t, enum talk_step step)
{
    if (step != TALK_WAITS) {
        t->wish = TALK_NOTHING;
        return step;
    }
    deadline_set(t->loop, &t->limit, t->timeout_ms);
    return TALK_WAITS;
}

static enum talk_step talk_ask(struct talk *t, enum talk_wish wish, size_t wanted)
{
    enum talk_step step;

    if (talk_begin(t, wish) == TALK_FAILED)
        return TALK_FAILED;
    t->wanted = wanted;
    step = talk_wait(t, talk_look(t));
    if (step == TALK_WAITS)
        stream_read(&t->link->stream);
    return step;
}

enum talk_step talk_line(struct talk *t, size_t bytes_max)
{
    return talk_ask(t, TALK_LINE, bytes_max);
}

enum talk_step talk_read(struct talk *t, size_t bytes)
{
    return talk_ask(t, TALK_READ, bytes);
}

static void on_bytes(struct stream *s, struct slice bytes)
{
    struct talk *t = link_of(s)->owner;

    if (held_append(&t->in, bytes))
        talk_tell(t, t->wish == TALK_SEND ? TALK_WAITS : talk_look(t));
    else
        talk_tell(t, talk_fail(t, "limit", held_too_many));
}

static void on_end(struct stream *s, int status)
{
    struct talk *t = link_of(s)->owner;

    t->has_ended = true;
    t->failure = status;
    if (t->wish == TALK_SEND)
        talk_tell(t, talk_fail_by_end(t));
    else if (t->wish != TALK_NOTHING)
        talk_tell(t, talk_look(t));
}

/* --- sending --- */

/* Of a connection that was kept for later: has its peer closed it meanwhile? What it sent before
 * that is still to be read. A system call, and it saves an answer that never comes. */
static bool talk_has_lost_peer(const struct talk *t)
{
    return t->has_ended || (buffer_length(&t->in) == 0 && stream_is_at_end(&t->link->stream));
}

enum talk_step talk_send(struct talk *t, struct slice text)
{
    uv_buf_t whole = uv_buf_init((char *)(uintptr_t)text.start, (unsigned)text.length);

    if (talk_begin(t, TALK_SEND) == TALK_FAILED)
        return TALK_FAILED;
    if (talk_has_lost_peer(t))
        return talk_fail_by_end(t);
    stream_write(&t->link->stream, &whole, 1);
    if (t->link->stream.failure != 0) {
        t->failure = t->link->stream.failure;
        return talk_fail_by_end(t);
    }
    return talk_wait(t, stream_backlog(&t->link->stream) > 0 ? TALK_WAITS : TALK_DONE);
}

static void on_drained(struct stream *s)
{
    struct talk *t = link_of(s)->owner;

    if (t->wish == TALK_SEND)
        talk_tell(t, TALK_DONE);
}

static const struct stream_events link_events = {
    .on_bytes = on_bytes,
    .on_end = on_end,
    .on_drained = on_drained,
    .on_closed = link_on_closed,
};

/* --- opening --- */

static void on_ready(struct dial *d, struct link *link)
{
    struct talk *t = list_entry(d, struct talk, dial);

    t->link = link;
    link->owner = t;
    link->stream.events = &link_events;
    talk_tell(t, TALK_DONE);
}

static void on_failed(struct dial *d)
{
    struct talk *t = list_entry(d, struct talk, dial);

    memcpy(t->why, d->why, sizeof t->why);
    talk_tell(t, talk_let_go(t));
}

static void on_limit(struct deadline *deadline)
{
    struct talk *t = list_entry(deadline, struct talk, limit);

    dial_say_why(t->why, "timeout", "%s took more than %g s",
                 t->wish == TALK_SEND ? "sending" : "the answer", (double)t->timeout_ms / 1000);
    talk_tell(t, talk_let_go(t));
}

void talk_init(struct talk *t, struct loop *loop, uint64_t timeout_ms)
{
    *t = (struct talk){.loop = loop, .timeout_ms = timeout_ms};
    dial_init(&t->dial, loop);
    t->dial.on_ready = on_ready;
    t->dial.on_failed = on_failed;
    deadline_init(&t->limit, on_limit);
}

void talk_open(struct talk *t, const struct address *to, const struct secured_wish *wish)
{
    t->secured = wish != NULL ? secured_wish_copy(wish) : NULL;
    t->dial.wish = t->secured;
    t->wish = TALK_OPEN;
    dial_start(&t->dial, to, t->timeout_ms);
}
