#include "upstream/outgoing.h"

#include "base/mem.h"
#include "upstream/freshness.h"
#include "upstream/pool.h"
#include "wire/h1.h"

static struct outgoing *outgoing_of(struct stream *s)
{
    return list_entry(s, struct outgoing, stream);
}

static void on_closed(struct stream *s)
{
    struct outgoing *o = outgoing_of(s);

    deadline_clear(&o->deadline);
    pool_forget(o->pool);
    mem_free(o);
}

static void outgoing_forget(struct outgoing *o)
{
    o->events = NULL;
    o->on_opened = NULL;
    deadline_clear(&o->deadline);
    list_remove(&o->node);
    bond_cut(&o->bond);
    parse_dispose(&o->parse);
}

void outgoing_close(struct outgoing *o)
{
    if (o->stream.is_closing)
        return;
    outgoing_forget(o);
    stream_close(&o->stream);
}

void outgoing_reset(struct outgoing *o)
{
    if (o->stream.is_closing)
        return;
    outgoing_forget(o);
    stream_reset(&o->stream);
}

/* The last event of a response; the borrower may close us inside it. */
static void outgoing_fail(struct outgoing *o, enum outgoing_failure failure, const char *text)
{
    const struct outgoing_events *events = o->events;

    o->is_unusable = true;
    o->events = NULL;
    stream_pause(&o->stream);
    events->on_failed(o, failure, text);
}

static void on_body(struct parse *parse, struct slice piece)
{
    struct outgoing *o = list_entry(parse, struct outgoing, parse);

    if (o->events != NULL)
        o->events->on_body(o, piece);
}

static void outgoing_await_response(struct outgoing *o, const struct parse_limits *limits)
{
    parse_dispose(&o->parse);
    parse_init_response(&o->parse, limits, o->arena, o->answers_head, on_body);
}

/* False if the head was refused, and the borrower has been told. */
static bool outgoing_take_head(struct outgoing *o)
{
    const struct head *head = &o->parse.head;

    o->framing = framing_of_response(head, o->answers_head, &o->length);
    if (head->status < 200)
        o->interim_bytes += o->parse.head_bytes;
    if (o->interim_bytes > o->parse.limits->head) {
        outgoing_fail(o, OUTGOING_PROTOCOL, "interim responses larger than limits.head");
        return false;
    }
    if (head->status == 101 && !o->may_switch) {
        outgoing_fail(o, OUTGOING_PROTOCOL, "an upgrade that nobody asked for");
        return false;
    }
    if (o->framing == FRAMING_REFUSED || !parse_agrees(&o->parse, o->framing, o->length)) {
        outgoing_fail(o, OUTGOING_PROTOCOL, framing_fault_text(head));
        return false;
    }
    o->keeps_alive = head_keeps_alive(head) && o->framing != FRAMING_UNTIL_CLOSE;
    o->events->on_head(o);
    return o->events != NULL;
}

static void outgoing_take_end(struct outgoing *o, bool surplus)
{
    const struct outgoing_events *events = o->events;

    if (o->parse.head.status < 200) {
        outgoing_await_response(o, o->parse.limits);
        return;
    }
    o->has_response = true;
    o->has_surplus = surplus;
    o->events = NULL;
    events->on_end(o);
}

static void outgoing_pass(struct outgoing *o, struct slice bytes)
{
    if (bytes.length > 0)
        o->events->on_body(o, bytes);
}

static void outgoing_feed(struct outgoing *o, struct slice bytes)
{
    while (bytes.length > 0 && o->events != NULL) {
        size_t used;
        enum parse_step step = parse_feed(&o->parse, bytes, &used);

        if (o->events == NULL)
            return; /* given back by the handler of a piece of the body */
        bytes.start += used;
        bytes.length -= used;
        if (step == PARSE_FAILED) {
            outgoing_fail(o, OUTGOING_PROTOCOL, o->parse.why);
            return;
        }
        CHECK(step != PARSE_MORE || used > 0);
        if (step == PARSE_MORE)
            continue;
        if (step == PARSE_HEAD && !outgoing_take_head(o))
            return;
        if (o->is_tunnel) {
            outgoing_pass(o, bytes);
            return;
        }
        if (o->is_held) {
            o->held = arena_copy(o->arena, bytes);
            return;
        }
        /* llhttp tells the end of a message without a body only with the next byte. */
        if (step == PARSE_END || !o->parse.has_body)
            outgoing_take_end(o, bytes.length > 0);
    }
}

static void on_bytes(struct stream *s, struct slice bytes)
{
    struct outgoing *o = outgoing_of(s);

    if (o->events == NULL) { /* idle: nobody asked for this */
        outgoing_close(o);
        return;
    }
    if (o->never_sent || o->lent_unchecked_at_poll == loop_poll(s->loop)) {
        outgoing_fail(o, OUTGOING_RESET, "bytes that nobody asked for");
        return;
    }
    o->bytes_read += bytes.length;
    if (o->is_tunnel)
        outgoing_pass(o, bytes);
    else
        outgoing_feed(o, bytes);
}

/* A whole request is to go out that waited for other events of its turn. If those took long, an
 * idle connection may not be what it was, as in pool_take: what came meanwhile is no answer. */
static bool may_leave(struct stream *s)
{
    struct outgoing *o = outgoing_of(s);
    const struct loop *loop = s->loop;

    if (o->events == NULL || !o->is_reused || !o->has_request || o->bytes_read > 0 ||
        o->began_at_poll != loop_poll(loop) || poll_is_fresh(loop, loop->noted_ms * 1000))
        return true;
    o->never_sent = stream_is_stale(s);
    return !o->never_sent;
}

static uint64_t may_pass(struct stream *s, struct stream **to)
{
    const struct outgoing *o = outgoing_of(s);

    *to = o->pass_to;
    return o->events != NULL && o->pass_to != NULL ? parse_unseen(&o->parse) : 0;
}

static void on_passed(struct stream *s, size_t length)
{
    struct outgoing *o = outgoing_of(s);

    o->bytes_read += length;
    parse_pass(&o->parse, length);
    o->events->on_passed(o, length);
}

static void on_end(struct stream *s, int status)
{
    struct outgoing *o = outgoing_of(s);

    o->is_unusable = true;
    if (o->events == NULL) {
        outgoing_close(o);
    } else if (status == 0 && o->is_tunnel && s->failure != 0) {
        outgoing_fail(o, OUTGOING_RESET, "closed before it took what was sent");
    } else if (status == 0 && o->is_tunnel) {
        stream_keep_alive(s);
        o->events->on_end(o);
    } else if (status == 0 && o->parse.has_head && parse_finish(&o->parse) == PARSE_END) {
        outgoing_take_end(o, false);
    } else if (status == 0) {
        outgoing_fail(o, OUTGOING_RESET,
                      o->bytes_read == 0 ? "closed before a response"
                                         : "closed in the middle of the response");
    } else {
        outgoing_fail(o, OUTGOING_RESET, uv_strerror(status));
    }
}

static void on_drained(struct stream *s)
{
    struct outgoing *o = outgoing_of(s);

    if (o->events != NULL)
        o->events->on_drained(o);
}

static void on_connected(struct stream *s, int status)
{
    struct outgoing *o = outgoing_of(s);

    if (o->on_opened != NULL)
        o->on_opened(o, status);
}

static const struct stream_events stream_events = {
    .on_connected = on_connected,
    .on_bytes = on_bytes,
    .may_leave = may_leave,
    .may_pass = may_pass,
    .on_passed = on_passed,
    .on_end = on_end,
    .on_drained = on_drained,
    .on_closed = on_closed,
    .reads_to_the_end = true,
};

static void on_deadline(struct deadline *d)
{
    struct outgoing *o = list_entry(d, struct outgoing, deadline);

    if (o->events == NULL)
        outgoing_close(o); /* idle for too long */
    else
        o->events->on_late(o);
}

/* All is said on it. An end would keep a port of ours in TIME_WAIT for a minute, and of those there
 * are 28,000 for each backend: 470 clients a second. */
static void on_client_over(struct bond *bond)
{
    outgoing_reset(list_entry(bond, struct outgoing, bond));
}

struct outgoing *outgoing_new(struct pool *pool, void *owner,
                              void (*on_opened)(struct outgoing *, int status))
{
    struct outgoing *o = mem_zalloc(sizeof *o);

    o->pool = pool;
    o->owner = owner;
    o->on_opened = on_opened;
    o->bond.on_over = on_client_over;
    list_init(&o->node);
    deadline_init(&o->deadline, on_deadline);
    pool->connections++;
    return o;
}

int outgoing_open(struct outgoing *o, const struct sockaddr *to)
{
    return stream_connect(&o->stream, o->pool->loop, to, &stream_events);
}

void outgoing_wake(struct outgoing *o, bool was_looked_at)
{
    o->lent_unchecked_at_poll = was_looked_at ? 0 : loop_poll(o->pool->loop);
    list_remove(&o->node);
    bond_cut(&o->bond);
    deadline_rest(&o->deadline);
    o->is_reused = true;
}

void outgoing_rest(struct outgoing *o)
{
    o->events = NULL;
    o->owner = NULL;
    o->arena = NULL;
    deadline_set(o->pool->loop, &o->deadline, o->pool->idle_ms);
    stream_read(&o->stream);
}

bool outgoing_is_reusable(const struct outgoing *o)
{
    return o->has_request && o->has_response && o->keeps_alive && !o->has_surplus &&
           !o->is_unusable && !o->stream.has_ended && o->stream.failure == 0 &&
           stream_backlog(&o->stream) == 0;
}

void outgoing_begin(struct outgoing *o, const struct outgoing_events *events, void *owner,
                    const struct parse_limits *limits, struct arena *arena, bool answers_head,
                    bool may_switch)
{
    o->events = events;
    o->owner = owner;
    o->arena = arena;
    o->answers_head = answers_head;
    o->may_switch = may_switch;
    o->has_request = o->has_response = o->has_surplus = o->keeps_alive = false;
    o->is_held = o->never_sent = false;
    o->began_at_poll = loop_poll(o->stream.loop);
    o->pass_to = NULL;
    o->bytes_read = 0;
    o->interim_bytes = 0;
    outgoing_await_response(o, limits);
    stream_read(&o->stream);
}

void outgoing_switch(struct outgoing *o, const struct outgoing_events *events, void *owner)
{
    o->events = events;
    o->owner = owner;
    o->is_tunnel = o->is_unusable = true;
    o->sends_in_chunks = false;
    if (!o->is_held)
        return;
    o->is_held = false;
    stream_read(&o->stream);
    outgoing_pass(o, o->held);
}

void outgoing_expect(struct outgoing *o, uint64_t within_ms)
{
    deadline_set(o->stream.loop, &o->deadline, within_ms);
}

void outgoing_expect_nothing(struct outgoing *o)
{
    deadline_rest(&o->deadline);
}

void outgoing_pause(struct outgoing *o)
{
    stream_pause(&o->stream);
}

void outgoing_resume(struct outgoing *o)
{
    stream_read(&o->stream);
}

bool outgoing_is_read(const struct outgoing *o)
{
    return o->stream.is_reading;
}

bool outgoing_is_lost(const struct outgoing *o)
{
    return !outgoing_is_read(o) && stream_is_dead(&o->stream);
}

void outgoing_pass_to(struct outgoing *o, struct stream *to)
{
    o->pass_to = to;
}

void outgoing_hold(struct outgoing *o)
{
    o->is_held = true;
    o->held = (struct slice){"", 0};
    stream_pause(&o->stream);
}

void outgoing_release(struct outgoing *o)
{
    o->is_held = false;
    stream_read(&o->stream);
    if (!o->parse.has_body)
        outgoing_take_end(o, o->held.length > 0);
    else
        outgoing_feed(o, o->held);
}

/* --- the request --- */

void outgoing_send_head(struct outgoing *o, struct forward_request *request, struct body_size size)
{
    request->framing = framing_for(size, VERSION_1_1);
    request->length = size.length;
    o->sends_in_chunks = request->framing == FRAMING_CHUNKED;
    stream_add(&o->stream, forward_request_head(stream_room(o->stream.loop), request));
}

void outgoing_send_body(struct outgoing *o, struct slice piece)
{
    h1_send_body(&o->stream, o->sends_in_chunks, piece);
}

void outgoing_send_end(struct outgoing *o, struct slice trailers)
{
    o->has_request = true;
    if (o->sends_in_chunks)
        h1_send_last_chunk(&o->stream, trailers);
    else if (o->is_tunnel)
        stream_shutdown(&o->stream);
}

void outgoing_flush(struct outgoing *o)
{
    stream_flush(&o->stream);
}

uint32_t outgoing_unsent(const struct outgoing *o)
{
    return stream_unsent(&o->stream);
}

size_t outgoing_held_bytes(const struct outgoing *o)
{
    return outgoing_backlog(o) + mem_size(o->parse.partial.bytes);
}
