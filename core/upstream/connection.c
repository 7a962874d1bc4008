/*
 * The states of the half; besides them the connection has none but open:
 *
 *   IDLE --begin--> AWAITING --whole, or failed--> OVER --rest--> IDLE
 *                    |    ^                         ^
 *                   hold  release                   |
 *                    v    |                         |
 *                     HELD -----------.             |
 *                    |                v             |
 *                    '--switch--> TUNNEL --failed---'
 *
 * What was closed is OVER.
 */
#include "upstream/connection.h"

#include "base/mem.h"

static struct connection *of_stream(struct stream *s)
{
    return list_entry(s, struct connection, stream);
}

/* --- states --- */

#define OF(state) (1u << OUTGOING_##state)

static const struct state_row outgoing_states[] = {
    [OUTGOING_IDLE] = {"idle", OF(AWAITING) | OF(OVER)},
    [OUTGOING_OVER] = {"over", OF(IDLE) | OF(OVER)},
    [OUTGOING_AWAITING] = {"awaiting", OF(HELD) | OF(TUNNEL) | OF(OVER)},
    [OUTGOING_HELD] = {"held", OF(AWAITING) | OF(TUNNEL) | OF(OVER)},
    [OUTGOING_TUNNEL] = {"tunnel", OF(OVER)},
};

static void outgoing_enter(struct outgoing *o, enum outgoing_state state)
{
    CHECK_STATE(outgoing_states, o, o->state, state);
    o->state = state;
}

/* Its borrower waits for events. */
static bool outgoing_is_live(const struct outgoing *o)
{
    return o->state >= OUTGOING_AWAITING;
}

/* --- closing --- */

static void on_closed(struct stream *s)
{
    struct connection *c = of_stream(s);

    deadline_clear(&c->deadline);
    c->events->on_closed(c);
    mem_free(c);
}

static void connection_leave(struct connection *c, void (*leave)(struct stream *))
{
    if (c->stream.is_closing)
        return;
    outgoing_enter(&c->half, OUTGOING_OVER);
    c->lease = NULL;
    deadline_clear(&c->deadline);
    list_remove(&c->node);
    bond_cut(&c->bond);
    response_dispose(&c->response);
    leave(&c->stream);
}

void connection_close(struct connection *c)
{
    connection_leave(c, stream_close);
}

void outgoing_close(struct outgoing *o)
{
    connection_leave(connection_of(o), stream_close);
}

void outgoing_reset(struct outgoing *o)
{
    connection_leave(connection_of(o), stream_reset);
}

/* The last event of a response; the borrower may close us inside it. */
static void connection_fail(struct connection *c, enum outgoing_failure failure, const char *text)
{
    struct outgoing *o = &c->half;

    c->is_unusable = true;
    outgoing_enter(o, OUTGOING_OVER);
    stream_pause(&c->stream);
    o->events->on_failed(o, failure, text);
}

static void connection_break(struct connection *c, const char *text)
{
    bool is_stale = c->is_reused && c->half.bytes_read == 0;

    connection_fail(c, is_stale ? OUTGOING_STALE : OUTGOING_RESET, text);
}

/* --- the response --- */

static void on_body(struct parse *parse, struct slice piece)
{
    struct outgoing *o = &list_entry(parse, struct connection, response.parse)->half;

    if (outgoing_is_live(o))
        o->events->on_body(o, piece);
}

static void connection_pass(struct connection *c, struct slice bytes)
{
    if (bytes.length > 0)
        c->half.events->on_body(&c->half, bytes);
}

/* False: that was all of it that the borrower wants as a response, or wants now. */
static bool connection_take_head(struct connection *c, struct slice rest)
{
    struct outgoing *o = &c->half;

    o->size = body_size_of(c->response.framing, c->response.length);
    o->events->on_head(o);
    if (o->state == OUTGOING_TUNNEL)
        connection_pass(c, rest);
    else if (o->state == OUTGOING_HELD)
        o->held = arena_copy(o->request->arena, rest);
    return o->state == OUTGOING_AWAITING;
}

static void connection_take_end(struct connection *c)
{
    c->is_unusable |= !response_keeps_connection(&c->response);
    outgoing_enter(&c->half, OUTGOING_OVER);
    c->half.events->on_end(&c->half);
}

static void connection_feed(struct connection *c, struct slice bytes)
{
    enum response_step step;

    do {
        step = response_feed(&c->response, &bytes);
        if (!outgoing_is_live(&c->half))
            return; /* given back by the handler of a piece of the body */
        if (step == RESPONSE_FAILED) {
            connection_fail(c, OUTGOING_PROTOCOL, response_fault_text(&c->response));
            return;
        }
        if (step == RESPONSE_END) {
            connection_take_end(c);
            return;
        }
    } while (step == RESPONSE_HEAD ? connection_take_head(c, bytes) : bytes.length > 0);
}

/* --- the stream's events --- */

static void on_bytes(struct stream *s, struct slice bytes)
{
    struct connection *c = of_stream(s);
    struct outgoing *o = &c->half;

    if (!outgoing_is_live(o)) { /* idle: nobody asked for this */
        connection_close(c);
        return;
    }
    if (o->never_sent || c->lent_unchecked_at_poll == loop_poll(s->loop)) {
        connection_break(c, "bytes that nobody asked for");
        return;
    }
    o->bytes_read += bytes.length;
    if (o->state == OUTGOING_TUNNEL)
        connection_pass(c, bytes);
    else
        connection_feed(c, bytes);
}

/* A whole request is to go out that waited for other events of its turn. If those took long, an
 * idle connection may not be what it was, as in pool_take: what came meanwhile is no answer. */
static bool may_leave(struct stream *s)
{
    struct connection *c = of_stream(s);
    struct outgoing *o = &c->half;
    const struct loop *loop = s->loop;

    if (!outgoing_is_live(o) || !c->is_reused || !o->has_request || o->bytes_read > 0 ||
        c->began_at_poll != loop_poll(loop) || poll_is_fresh(loop, loop->noted_ms * 1000))
        return true;
    o->never_sent = connection_is_stale(c);
    return !o->never_sent;
}

static uint64_t may_pass(struct stream *s, struct stream **to)
{
    const struct connection *c = of_stream(s);

    *to = c->half.pass_to;
    return *to != NULL && outgoing_is_live(&c->half) ? parse_unseen(&c->response.parse) : 0;
}

static void on_passed(struct stream *s, size_t length)
{
    struct connection *c = of_stream(s);

    DCHECK(c->half.state == OUTGOING_AWAITING);
    c->half.bytes_read += length;
    parse_pass(&c->response.parse, length);
    c->half.events->on_passed(&c->half, length);
}

/* Its borrower waits for more. */
static void connection_take_close(struct connection *c, int status)
{
    struct outgoing *o = &c->half;

    if (status != 0) {
        connection_break(c, uv_strerror(status));
    } else if (o->state == OUTGOING_TUNNEL && c->stream.failure != 0) {
        connection_break(c, "closed before it took what was sent");
    } else if (o->state == OUTGOING_TUNNEL) {
        stream_keep_alive(&c->stream);
        o->events->on_end(o);
    } else if (response_ends_here(&c->response)) {
        connection_take_end(c);
    } else {
        connection_break(c, o->bytes_read == 0 ? "closed before a response"
                                               : "closed in the middle of the response");
    }
}

static void on_end(struct stream *s, int status)
{
    struct connection *c = of_stream(s);

    c->is_unusable = true;
    if (outgoing_is_live(&c->half))
        connection_take_close(c, status);
    else
        connection_close(c);
}

static void on_drained(struct stream *s)
{
    struct outgoing *o = &of_stream(s)->half;

    if (outgoing_is_live(o))
        o->events->on_drained(o);
}

static void on_connected(struct stream *s, int status)
{
    struct connection *c = of_stream(s);

    if (c->lease != NULL)
        c->events->on_opened(c, status);
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
    struct connection *c = list_entry(d, struct connection, deadline);

    if (outgoing_is_live(&c->half))
        c->half.events->on_late(&c->half);
    else
        connection_close(c); /* idle for too long */
}

/* --- for the pool --- */

/* All is said on it. An end would keep a port of ours in TIME_WAIT for a minute, and of those there
 * are 28,000 for each backend: 470 clients a second. */
static void on_client_over(struct bond *bond)
{
    connection_leave(list_entry(bond, struct connection, bond), stream_reset);
}

int connection_open(struct connection **out, struct pool *pool, struct loop *loop,
                    const struct sockaddr *to, const struct connection_events *events, void *lease)
{
    struct connection *c = mem_zalloc(sizeof *c);
    int status;

    c->events = events;
    c->pool = pool;
    c->lease = lease;
    c->bond.on_over = on_client_over;
    c->half.head = &c->response.parse.head;
    list_init(&c->node);
    deadline_init(&c->deadline, on_deadline);
    status = stream_connect(&c->stream, loop, to, &stream_events);
    *out = c;
    if (status != 0)
        connection_close(c);
    return status;
}

bool connection_is_stale(const struct connection *c)
{
    return stream_is_stale(&c->stream);
}

void connection_wake(struct connection *c, bool was_looked_at)
{
    DCHECK(c->half.state == OUTGOING_IDLE);
    c->lent_unchecked_at_poll = was_looked_at ? 0 : loop_poll(c->stream.loop);
    list_remove(&c->node);
    bond_cut(&c->bond);
    deadline_rest(&c->deadline);
    c->is_reused = true;
}

void connection_rest(struct connection *c, uint64_t within_ms)
{
    outgoing_enter(&c->half, OUTGOING_IDLE);
    deadline_set(c->stream.loop, &c->deadline, within_ms);
    stream_read(&c->stream);
}

bool connection_is_reusable(const struct connection *c)
{
    return c->half.state == OUTGOING_OVER && c->half.has_request && !c->is_unusable &&
           !c->half.request->ends_connection && !c->stream.has_ended && c->stream.failure == 0 &&
           stream_backlog(&c->stream) == 0;
}

/* --- for the borrower --- */

void outgoing_begin(struct outgoing *o, const struct outgoing_events *events, void *owner,
                    const struct outgoing_request *request)
{
    struct connection *c = connection_of(o);

    outgoing_enter(o, OUTGOING_AWAITING);
    o->events = events;
    o->owner = owner;
    o->request = request;
    o->has_request = o->never_sent = false;
    o->pass_to = NULL;
    o->bytes_read = 0;
    if (request->binds)
        c->bonds = request->bonds;
    c->began_at_poll = loop_poll(c->stream.loop);
    response_expect(&c->response, request->limits, request->arena, request->answers_head,
                    request->may_switch, on_body);
    stream_read(&c->stream);
}

void outgoing_switch(struct outgoing *o, const struct outgoing_events *events, void *owner)
{
    struct connection *c = connection_of(o);
    bool was_held = o->state == OUTGOING_HELD;

    outgoing_enter(o, OUTGOING_TUNNEL);
    o->events = events;
    o->owner = owner;
    c->is_unusable = true;
    c->sends_in_chunks = false;
    if (!was_held)
        return;
    stream_read(&c->stream);
    connection_pass(c, o->held);
}

void outgoing_expect(struct outgoing *o, uint64_t within_ms)
{
    struct connection *c = connection_of(o);

    deadline_set(c->stream.loop, &c->deadline, within_ms);
}

void outgoing_expect_nothing(struct outgoing *o)
{
    deadline_rest(&connection_of(o)->deadline);
}

void outgoing_pause(struct outgoing *o)
{
    stream_pause(&connection_of(o)->stream);
}

void outgoing_resume(struct outgoing *o)
{
    stream_read(&connection_of(o)->stream);
}

bool outgoing_is_read(const struct outgoing *o)
{
    return connection_of(o)->stream.is_reading;
}

bool outgoing_is_lost(const struct outgoing *o)
{
    return !outgoing_is_read(o) && stream_is_dead(&connection_of(o)->stream);
}

void outgoing_hold(struct outgoing *o)
{
    outgoing_enter(o, OUTGOING_HELD);
    o->held = (struct slice){"", 0};
    outgoing_pause(o);
}

void outgoing_release(struct outgoing *o)
{
    struct connection *c = connection_of(o);

    outgoing_enter(o, OUTGOING_AWAITING);
    stream_read(&c->stream);
    connection_feed(c, o->held);
}

struct slice outgoing_trailers(struct outgoing *o)
{
    const struct parse *p = &connection_of(o)->response.parse;

    if (p->trailers_count == 0)
        return (struct slice){"", 0};
    return forward_trailers(o->request->arena, o->head, p->trailers, p->trailers_count, NULL);
}
