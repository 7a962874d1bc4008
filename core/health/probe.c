/*
 *   IDLE --start--> CONNECTING --accepts--> ASKING --bytes--> READING --head--> DECIDED --> IDLE
 *                       |                      |                 |                ^     closed:
 *                       '--- refused, limit ---'--- end, limit --'--- not HTTP ---'     on_done
 *                            tcp: it accepts
 *
 * What is found first is what counts; from then on the connection only closes.
 */
#include "health/probe.h"

#include "base/mem.h"
#include "config/probes.h"
#include "config/remotes.h"
#include "health/serving.h"
#include "http/grpc.h"
#include "net/shortage.h"

struct probe_connection { /* frees itself when it is closed */
    struct stream stream;
    struct probe *probe;
};

static struct probe_connection *probe_connection_of(struct stream *s)
{
    return list_entry(s, struct probe_connection, stream);
}

/* --- the verdict --- */

/* Closed by an end, not by a reset: a server that accepts and reads meets the
 * end of a connection that asked nothing, which none complains about, while a
 * reset is an error in many logs. The price, a socket of ours in TIME_WAIT for a
 * minute, is 30 per backend at the default interval, each to another port. */
static void probe_decide(struct probe *p, enum probe_outcome outcome, enum verdict_reason reason,
                         int code)
{
    if (p->state == PROBE_DECIDED)
        return;
    p->state = PROBE_DECIDED;
    p->outcome = outcome;
    p->reason = reason;
    p->code = code;
    deadline_clear(&p->limit);
    opening_stop(&p->opening);
    if (p->wire.kind != NULL)
        h2_lose(&p->wire, ""); /* nothing more is sent */
    if (p->connection != NULL)
        stream_close(&p->connection->stream);
}

static void probe_fail_to_connect(struct probe *p, int code)
{
    if (shortage_explains(code))
        probe_decide(p, PROBE_SHORT, VERDICT_CONNECT, code);
    else if (shortage_of_address_explains(code))
        probe_decide(p, PROBE_NO_WAY, VERDICT_CONNECT, code);
    else
        probe_decide(p, PROBE_FAILED, VERDICT_CONNECT, code);
}

/* --- asking --- */

static void ignore_body(struct parse *parse, struct slice piece)
{
    (void)parse;
    (void)piece;
}

static const struct h2_kind probe_h2_kind;

/* As HTTP/1 has it: wire/h2 leaves out the fields of the connection. */
static void probe_send_h2(struct probe *p)
{
    bool has_body = buffer_length(&p->message) > 0;

    h2_begin(&p->wire, &p->connection->stream, &probe_h2_kind, p, (uint32_t)p->limits.head);
    p->wire_stream = (struct h2_stream){0};
    h2_open_stream(&p->wire, &p->wire_stream);
    h2_send_head(&p->wire_stream, buffer_slice(&p->request),
                 tls_target_is_set(&p->target) ? SLICE("https") : SLICE("http"), !has_body);
    if (has_body) {
        h2_send_body(&p->wire_stream, buffer_slice(&p->message));
        h2_send_end(&p->wire_stream, (struct slice){"", 0});
    }
    stream_flush(&p->connection->stream);
}

static void probe_ask(struct probe *p)
{
    struct slice request = buffer_slice(&p->request);
    uv_buf_t whole = uv_buf_init((char *)request.start, (unsigned)request.length);

    p->state = PROBE_ASKING;
    arena_init(&p->arena, NULL, 0);
    response_expect(&p->response, &p->limits, &p->arena, false, !p->is_h2, ignore_body);
    if (p->is_h2)
        probe_send_h2(p);
    else
        stream_write(&p->connection->stream, &whole, 1);
    stream_read(&p->connection->stream);
}

/* A 101 switches to something that nobody asked for, and nothing of HTTP comes after it: it is as
 * final as those above 199 (RFC 9110, 15.2). */
static bool is_interim(unsigned status)
{
    return status < 200 && status != 101;
}

/* status: the grpc-status of the call, or GRPC_STATUS_NONE. A backend whose answer is no message of
 * the check has failed it. */
static void probe_take_call(struct probe *p, int status)
{
    unsigned serving = serving_read((struct slice){p->answer, p->answer_bytes});

    if (status > 0)
        probe_decide(p, PROBE_FAILED, VERDICT_GRPC, -status);
    else
        probe_decide(p, serving == SERVING_YES ? PROBE_PASSED : PROBE_FAILED, VERDICT_SERVING,
                     -(int)(status == 0 ? serving : SERVING_MALFORMED));
}

static void probe_take_head(struct probe *p)
{
    unsigned status = p->response.parse.head.status;

    if (is_interim(status))
        return;
    if (buffer_length(&p->message) > 0 && status == 200) {
        int call = grpc_status_in(&p->response.parse.head);

        if (call != GRPC_STATUS_NONE || p->wire_stream.has_end)
            probe_take_call(p, call);
        return;
    }
    probe_decide(p,
                 probes_status_is_healthy(&p->config->health, status) ? PROBE_PASSED : PROBE_FAILED,
                 VERDICT_STATUS, -(int)status);
}

/* What would be a 502 for a client is no sign of health. */
static void probe_refuse_head(struct probe *p)
{
    enum parse_error error = p->response.parse.error;
    bool is_large = p->response.fault == RESPONSE_LARGE_INTERIM || error == PARSE_LARGE_HEAD ||
                    error == PARSE_LONG_LINE || error == PARSE_MANY_FIELDS;

    /* The length of what has no body is nothing to a check: the final head decides. */
    if (p->response.fault == RESPONSE_AMBIGUOUS_LENGTH && is_interim(p->response.parse.head.status))
        response_expect_next(&p->response);
    else
        probe_decide(p, PROBE_FAILED, is_large ? VERDICT_LARGE_HEAD : VERDICT_NOT_HTTP, 0);
}

static void probe_feed(struct probe *p, struct slice bytes)
{
    while (bytes.length > 0 && p->state == PROBE_READING) {
        enum response_step step = response_feed(&p->response, &bytes);

        if (step == RESPONSE_FAILED)
            probe_refuse_head(p);
        else if (step == RESPONSE_HEAD)
            probe_take_head(p);
    }
}

static void on_bytes(struct stream *s, struct slice bytes)
{
    struct probe *p = probe_connection_of(s)->probe;

    if (p->state == PROBE_ASKING)
        p->state = PROBE_READING;
    if (p->is_h2 && p->state == PROBE_READING)
        h2_feed(&p->wire, bytes);
    else
        probe_feed(p, bytes);
}

/* --- over HTTP/2 --- */

static void on_h2_head(struct h2_stream *stream, const struct h2_head *head)
{
    struct probe *p = list_entry(stream, struct probe, wire_stream);

    if (head->is_large)
        probe_decide(p, PROBE_FAILED, VERDICT_LARGE_HEAD, 0);
    else
        probe_feed(p, head->lines);
}

static void on_h2_body(struct h2_stream *stream, struct slice piece)
{
    struct probe *p = list_entry(stream, struct probe, wire_stream);
    size_t room = sizeof p->answer - p->answer_bytes;

    if (piece.length > room)
        probe_decide(p, PROBE_FAILED, VERDICT_SERVING, -SERVING_MALFORMED);
    else
        p->answer_bytes = (size_t)(slice_put(p->answer + p->answer_bytes, piece) - p->answer);
    h2_consumed(stream, piece.length);
}

static void on_h2_end(struct h2_stream *stream, const struct h2_head *trailers)
{
    struct probe *p = list_entry(stream, struct probe, wire_stream);

    probe_take_call(p, trailers != NULL ? grpc_status_in_lines(trailers->lines) : GRPC_STATUS_NONE);
}

static void on_h2_reset(struct h2_stream *stream, const struct h2_reset *reset)
{
    struct probe *p = list_entry(stream, struct probe, wire_stream);

    probe_decide(p, PROBE_FAILED, reset->cause == H2_BY_RULE ? VERDICT_NOT_HTTP : VERDICT_CUT, 0);
}

static void on_h2_broken(struct h2 *wire, enum h2_code code, const char *why)
{
    (void)code;
    (void)why;
    probe_decide(wire->owner, PROBE_FAILED, VERDICT_NOT_HTTP, 0);
}

static const struct h2_events probe_h2_events = {.on_head = on_h2_head,
                                                 .on_body = on_h2_body,
                                                 .on_end = on_h2_end,
                                                 .on_reset = on_h2_reset,
                                                 .on_broken = on_h2_broken};

static const struct h2_kind probe_h2_kind = {.events = &probe_h2_events,
                                             .role = H2_CLIENT,
                                             .stream_window = 65535,
                                             .stream_window_top = 65535,
                                             .connection_window = 65535};

static void on_end(struct stream *s, int status)
{
    struct probe *p = probe_connection_of(s)->probe;

    probe_decide(p, PROBE_FAILED, p->state == PROBE_READING ? VERDICT_CUT : VERDICT_CLOSED,
                 status == STREAM_CUT ? 0 : status);
}

/* --- the connection --- */

static void probe_take_opened(struct probe *p, struct probe_connection *c, int status)
{
    if (status != 0) {
        if (opening_lost(&p->opening, c, status))
            probe_fail_to_connect(p, status);
        return;
    }
    opening_won(&p->opening, c);
    p->connection = c;
    if (buffer_length(&p->request) == 0)
        probe_decide(p, PROBE_PASSED, VERDICT_CHECKED, 0);
    else
        probe_ask(p);
}

static void on_connected(struct stream *s, int status)
{
    struct probe_connection *c = probe_connection_of(s);
    struct probe *p = c->probe;

    if (status != 0 || !tls_target_is_set(&p->target)) {
        probe_take_opened(p, c, status);
        return;
    }
    opening_settle(&p->opening, c);
    stream_secure_to(s, &p->target);
}

static void on_secured(struct stream *s, enum tls_refusal refusal)
{
    struct probe_connection *c = probe_connection_of(s);
    struct probe *p = c->probe;

    if (p->state == PROBE_DECIDED)
        return;
    if (refusal != TLS_REFUSED_NOT && refusal != TLS_REFUSED_MEMORY)
        p->why = s->tls->why;
    else if (refusal == TLS_REFUSED_NOT && p->is_h2 && !slice_is(s->tls->said.alpn, SLICE("h2")))
        p->why = "the backend does not agree to HTTP/2 (ALPN h2)";
    probe_take_opened(p, c,
                      p->why != NULL               ? UV_EPROTO
                      : refusal == TLS_REFUSED_NOT ? 0
                                                   : UV_ENOMEM);
}

static void on_limit(struct deadline *d)
{
    struct probe *p = list_entry(d, struct probe, limit);
    uint64_t timeout_ms = p->config->health.timeout_ms;

    probe_decide(p, PROBE_FAILED, p->state == PROBE_CONNECTING ? VERDICT_TIMED_OUT : VERDICT_SILENT,
                 timeout_ms <= VERDICT_CODE_MAX ? -(int)timeout_ms : 0);
}

static void on_closed(struct stream *s)
{
    struct probe_connection *c = probe_connection_of(s);
    struct probe *p = c->probe;

    mem_free(c);
    if (--p->connections > 0)
        return;
    CHECK(p->state == PROBE_DECIDED);
    p->state = PROBE_IDLE;
    if (p->wire.kind != NULL) {
        h2_stream_release(&p->wire_stream);
        h2_dispose(&p->wire);
        p->wire = (struct h2){0};
    }
    response_dispose(&p->response);
    arena_dispose(&p->arena);
    p->on_done(p);
}

static void on_drained(struct stream *s)
{
    struct probe *p = probe_connection_of(s)->probe;

    if (p->wire.kind != NULL)
        h2_drained(&p->wire);
}

static const struct stream_events probe_events = {
    .on_connected = on_connected,
    .on_secured = on_secured,
    .on_bytes = on_bytes,
    .on_end = on_end,
    .on_drained = on_drained,
    .on_closed = on_closed,
    .reads_to_the_end = true, /* who answers before it has read the request has answered */
};

static int probe_begin(struct opening *opening, void **connection)
{
    struct probe *p = list_entry(opening, struct probe, opening);
    struct probe_connection *c = mem_zalloc(sizeof *c);
    int status;

    c->probe = p;
    p->connections++;
    status = stream_connect(&c->stream, p->loop, opening->to, &probe_events);
    *connection = c;
    if (status != 0)
        stream_close(&c->stream);
    return status;
}

static void probe_close(void *connection)
{
    stream_close(&((struct probe_connection *)connection)->stream);
}

static const struct opening_kind probe_kind = {.begin = probe_begin, .close = probe_close};

void probe_start(struct probe *p, const struct sockaddr *to, uint64_t limit_ms)
{
    int status;

    CHECK(p->state == PROBE_IDLE && p->connections == 0);
    p->state = PROBE_CONNECTING;
    p->connection = NULL;
    p->why = NULL;
    p->answer_bytes = 0;
    deadline_set(p->loop, &p->limit, limit_ms);
    status = opening_start(&p->opening, p->loop, to, &p->openings, limit_ms);
    if (status != 0)
        probe_fail_to_connect(p, status);
}

static void probe_secure(struct probe *p, const struct config_backend *backend)
{
    struct tls_remote_rules rules;

    if (!config_backend_has_tls(backend))
        return;
    rules = remotes_rules(&p->config->tls, backend->remote);
    (void)tls_target_set(&p->target, &rules, slice_of(backend->tls_name),
                         p->is_h2 ? SLICE("\x02h2") : SLICE("\x08http/1.1"));
}

void probe_init(struct probe *p, struct loop *loop, const struct config *config,
                const struct config_backend *backend, void (*on_done)(struct probe *))
{
    p->on_done = on_done;
    p->loop = loop;
    p->config = config;
    p->is_h2 = config_backend_is_h2(backend);
    p->limits = (struct parse_limits){.request_line = config->limits.request_line,
                                      .head = config->limits.head,
                                      .fields = config->limits.fields};
    probe_secure(p, backend);
    opening_init(&p->opening, &probe_kind);
    deadline_init(&p->limit, on_limit);
    if (config->health.type == CONFIG_HEALTH_GRPC) {
        buffer_printf(&p->request,
                      "POST " SERVING_METHOD " HTTP/1.1\r\nHost: %s\r\nUser-Agent: lb-health\r\n"
                      "Content-Type: application/grpc\r\nTE: trailers\r\n\r\n",
                      config_backend_host(backend));
        serving_ask(&p->message, slice_of(config->health.service));
    }
    if (config->health.type == CONFIG_HEALTH_HTTP)
        buffer_printf(&p->request,
                      "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: lb-health\r\n"
                      "Connection: close\r\nAccept: */*\r\n\r\n",
                      config->health.path,
                      config->health.host != NULL ? config->health.host
                                                  : config_backend_host(backend));
}

void probe_dispose(struct probe *p)
{
    CHECK(p->state == PROBE_IDLE && p->connections == 0);
    opening_stop(&p->opening);
    deadline_clear(&p->limit);
    buffer_dispose(&p->request);
    buffer_dispose(&p->message);
}
