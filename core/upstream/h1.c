/*
 * A connection in HTTP/1 has one half, whose states (upstream/outgoing.c) are its own; besides them
 * it has none but open.
 */
#include "upstream/h1.h"

#include "base/mem.h"

static struct h1_connection *of_stream(struct stream *s)
{
    return list_entry(s, struct h1_connection, stream);
}

/* --- closing --- */

static void on_closed(struct stream *s)
{
    struct h1_connection *c = of_stream(s);

    deadline_clear(&c->half.deadline);
    c->events->on_closed(c);
    mem_free(c);
}

static void h1_leave(struct h1_connection *c, void (*leave)(struct stream *))
{
    if (c->stream.is_closing)
        return;
    outgoing_enter(&c->half, OUTGOING_OVER);
    c->lease = NULL;
    deadline_clear(&c->half.deadline);
    list_remove(&c->node);
    bond_cut(&c->bond);
    response_dispose(&c->response);
    leave(&c->stream);
}

void h1_close(struct h1_connection *c)
{
    h1_leave(c, stream_close);
}

/* The last event of a response; the borrower may close us inside it. */
static void h1_fail(struct h1_connection *c, enum outgoing_failure failure, const char *text)
{
    struct outgoing *o = &c->half;

    c->is_unusable = true;
    outgoing_enter(o, OUTGOING_OVER);
    stream_pause(&c->stream);
    o->events->on_failed(o, failure, text);
}

static void h1_break(struct h1_connection *c, const char *text)
{
    bool is_stale = c->is_reused && c->half.bytes_read == 0;

    h1_fail(c, is_stale ? OUTGOING_STALE : OUTGOING_RESET, text);
}

/* --- the response --- */

static void on_body(struct parse *parse, struct slice piece)
{
    struct outgoing *o = &list_entry(parse, struct h1_connection, response.parse)->half;

    if (outgoing_is_live(o))
        o->events->on_body(o, piece);
}

static void h1_pass(struct h1_connection *c, struct slice bytes)
{
    if (bytes.length > 0)
        c->half.events->on_body(&c->half, bytes);
}

/* False: that was all of it that the borrower wants as a response, or wants now. */
static bool h1_take_head(struct h1_connection *c, struct slice rest)
{
    struct outgoing *o = &c->half;

    o->size = body_size_of(c->response.framing, c->response.length);
    o->events->on_head(o);
    if (o->state == OUTGOING_TUNNEL)
        h1_pass(c, rest);
    else if (o->state == OUTGOING_HELD)
        o->held = arena_copy(o->request->arena, rest);
    return o->state == OUTGOING_AWAITING;
}

static void h1_take_end(struct h1_connection *c)
{
    const struct parse *p = &c->response.parse;
    struct outgoing *o = &c->half;

    c->is_unusable |= !response_keeps_connection(&c->response);
    o->trailers = SLICE("");
    if (p->trailers_count > 0)
        o->trailers =
            forward_trailers(o->request->arena, o->head, p->trailers, p->trailers_count, NULL);
    outgoing_enter(o, OUTGOING_OVER);
    o->events->on_end(o);
}

static void h1_feed(struct h1_connection *c, struct slice bytes)
{
    enum response_step step;

    do {
        step = response_feed(&c->response, &bytes);
        if (!outgoing_is_live(&c->half))
            return; /* given back by the handler of a piece of the body */
        if (step == RESPONSE_FAILED) {
            h1_fail(c, OUTGOING_PROTOCOL, response_fault_text(&c->response));
            return;
        }
        if (step == RESPONSE_END) {
            h1_take_end(c);
            return;
        }
    } while (step == RESPONSE_HEAD ? h1_take_head(c, bytes) : bytes.length > 0);
}

/* --- the stream's events --- */

static void on_bytes(struct stream *s, struct slice bytes)
{
    struct h1_connection *c = of_stream(s);
    struct outgoing *o = &c->half;

    if (!outgoing_is_live(o)) { /* idle: nobody asked for this */
        h1_close(c);
        return;
    }
    if (o->never_sent || c->lent_unchecked_at_poll == loop_poll(s->loop)) {
        h1_break(c, "bytes that nobody asked for");
        return;
    }
    o->bytes_read += bytes.length;
    if (o->state == OUTGOING_TUNNEL)
        h1_pass(c, bytes);
    else
        h1_feed(c, bytes);
}

/* A whole request is to go out that waited for other events of its turn. If those took long, an
 * idle connection may not be what it was, as in pool_take: what came meanwhile is no answer. */
static bool may_leave(struct stream *s)
{
    struct h1_connection *c = of_stream(s);
    struct outgoing *o = &c->half;
    const struct loop *loop = s->loop;

    if (!outgoing_is_live(o) || !c->is_reused || !o->has_request || o->bytes_read > 0 ||
        c->began_at_poll != loop_poll(loop) || poll_is_fresh(loop, loop->noted_ms * 1000))
        return true;
    o->never_sent = h1_is_stale(c);
    return !o->never_sent;
}

static uint64_t may_pass(struct stream *s, struct stream **to)
{
    const struct h1_connection *c = of_stream(s);

    *to = c->half.pass_to;
    return *to != NULL && outgoing_is_live(&c->half) ? parse_unseen(&c->response.parse) : 0;
}

static void on_passed(struct stream *s, size_t length)
{
    struct h1_connection *c = of_stream(s);

    DCHECK(c->half.state == OUTGOING_AWAITING);
    c->half.bytes_read += length;
    parse_pass(&c->response.parse, length);
    c->half.events->on_passed(&c->half, length);
}

/* Its borrower waits for more. */
static void h1_take_close(struct h1_connection *c, int status)
{
    struct outgoing *o = &c->half;

    const char *why = h1_why(c);

    if (status == UV_EPROTO && why != NULL) {
        h1_fail(c, OUTGOING_TLS, why);
    } else if (status == STREAM_CUT &&
               (o->state == OUTGOING_TUNNEL || response_ends_here(&c->response))) {
        h1_break(c, "ended without a close_notify: something may be missing");
    } else if (status != 0 && status != STREAM_CUT) {
        h1_break(c, uv_strerror(status));
    } else if (o->state == OUTGOING_TUNNEL && c->stream.failure != 0) {
        h1_break(c, "closed before it took what was sent");
    } else if (o->state == OUTGOING_TUNNEL) {
        stream_keep_alive(&c->stream);
        o->events->on_end(o);
    } else if (response_ends_here(&c->response)) {
        h1_take_end(c);
    } else {
        h1_break(c, o->bytes_read == 0 ? "closed before a response"
                                       : "closed in the middle of the response");
    }
}

static void on_end(struct stream *s, int status)
{
    struct h1_connection *c = of_stream(s);

    c->is_unusable = true;
    if (outgoing_is_live(&c->half))
        h1_take_close(c, status);
    else
        h1_close(c);
}

static void on_drained(struct stream *s)
{
    struct outgoing *o = &of_stream(s)->half;

    if (outgoing_is_live(o))
        o->events->on_drained(o);
}

static void on_connected(struct stream *s, int status)
{
    struct h1_connection *c = of_stream(s);

    if (c->lease == NULL)
        return;
    if (status != 0 || c->target == NULL) {
        c->events->on_opened(c, status);
        return;
    }
    c->events->on_reached(c);
    stream_secure_to(s, c->target);
}

static void on_secured(struct stream *s, enum tls_refusal refusal)
{
    struct h1_connection *c = of_stream(s);
    int failure = refusal == TLS_REFUSED_MEMORY ? UV_ENOMEM : UV_EPROTO;

    if (c->lease != NULL)
        c->events->on_opened(c, refusal == TLS_REFUSED_NOT ? 0 : failure);
}

static const struct stream_events stream_events = {
    .on_connected = on_connected,
    .on_bytes = on_bytes,
    .may_leave = may_leave,
    .may_pass = may_pass,
    .on_passed = on_passed,
    .on_end = on_end,
    .on_secured = on_secured,
    .on_drained = on_drained,
    .on_closed = on_closed,
    .reads_to_the_end = true,
};

/* --- the ways of the half --- */

static void half_begin(struct outgoing *o)
{
    struct h1_connection *c = h1_of(o);
    const struct outgoing_request *request = o->request;

    if (request->binds)
        c->bonds = request->bonds;
    c->began_at_poll = loop_poll(o->loop);
    response_expect(&c->response, request->limits, request->arena, request->answers_head,
                    request->may_switch, on_body);
    stream_read(&c->stream);
}

static void half_close(struct outgoing *o)
{
    h1_leave(h1_of(o), stream_close);
}

static void half_reset(struct outgoing *o)
{
    h1_leave(h1_of(o), stream_reset);
}

static void half_switch_over(struct outgoing *o, bool was_held)
{
    struct h1_connection *c = h1_of(o);

    c->is_unusable = true;
    c->sends_in_chunks = false;
    if (!was_held)
        return;
    stream_read(&c->stream);
    h1_pass(c, o->held);
}

static void half_pause(struct outgoing *o)
{
    stream_pause(&h1_of(o)->stream);
}

static void half_resume(struct outgoing *o)
{
    stream_read(&h1_of(o)->stream);
}

static bool half_is_read(const struct outgoing *o)
{
    return h1_of(o)->stream.is_reading;
}

static bool half_is_lost(const struct outgoing *o)
{
    return !half_is_read(o) && stream_is_dead(&h1_of(o)->stream);
}

static void half_release(struct outgoing *o)
{
    struct h1_connection *c = h1_of(o);

    stream_read(&c->stream);
    h1_feed(c, o->held);
}

static size_t half_held_bytes(const struct outgoing *o)
{
    return h1_backlog(o) + mem_size(h1_of(o)->response.parse.partial.bytes);
}

static const struct outgoing_ways h1_ways = {
    .begin = half_begin,
    .close = half_close,
    .reset = half_reset,
    .switch_over = half_switch_over,
    .pause = half_pause,
    .resume = half_resume,
    .is_read = half_is_read,
    .is_lost = half_is_lost,
    .release = half_release,
    .send_head = h1_send_request_head,
    .send_body = h1_send_request_body,
    .send_end = h1_send_request_end,
    .flush = h1_flush,
    .backlog = h1_backlog,
    .unsent = h1_unsent,
    .held_bytes = half_held_bytes,
};

/* --- for the pool --- */

/* All is said on it. An end would keep a port of ours in TIME_WAIT for a minute, and of those there
 * are 28,000 for each backend: 470 clients a second. */
static void on_client_over(struct bond *bond)
{
    h1_leave(list_entry(bond, struct h1_connection, bond), stream_reset);
}

int h1_open(struct h1_connection **out, struct pool *pool, struct loop *loop,
            const struct sockaddr *to, struct tls_target *target, const struct h1_events *events,
            void *lease)
{
    struct h1_connection *c = mem_zalloc(sizeof *c);
    int status;

    c->events = events;
    c->pool = pool;
    c->lease = lease;
    c->target = target;
    c->bond.on_over = on_client_over;
    c->half.head = &c->response.parse.head;
    list_init(&c->node);
    outgoing_init(&c->half, &h1_ways, loop);
    status = stream_connect(&c->stream, loop, to, &stream_events);
    *out = c;
    if (status != 0)
        h1_close(c);
    return status;
}

bool h1_is_stale(struct h1_connection *c)
{
    return stream_is_stale(&c->stream);
}

const char *h1_why(const struct h1_connection *c)
{
    return c->stream.tls != NULL ? c->stream.tls->why : NULL;
}

void h1_wake(struct h1_connection *c, bool was_looked_at)
{
    DCHECK(c->half.state == OUTGOING_IDLE);
    c->lent_unchecked_at_poll = was_looked_at ? 0 : loop_poll(c->stream.loop);
    list_remove(&c->node);
    bond_cut(&c->bond);
    deadline_rest(&c->half.deadline);
    c->is_reused = true;
}

void h1_rest(struct h1_connection *c, uint64_t within_ms)
{
    outgoing_enter(&c->half, OUTGOING_IDLE);
    deadline_set(c->stream.loop, &c->half.deadline, within_ms);
    stream_read(&c->stream);
}

bool h1_is_reusable(const struct h1_connection *c)
{
    return c->half.state == OUTGOING_OVER && c->half.has_request && !c->is_unusable &&
           !c->half.request->ends_connection && !c->stream.has_ended && c->stream.failure == 0 &&
           stream_backlog(&c->stream) == 0;
}
