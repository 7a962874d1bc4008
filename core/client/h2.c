/*
 * A connection of HTTP/2, in client/states.c's state H2:
 *
 *   preface --> rests <--> streams --drain, too old--> GOAWAY, PING --> GOAWAY --no stream--.
 *                 |            |                                                            v
 *                 |            '--a rule of the connection is broken--> GOAWAY -------> LINGERING
 *                 '--timeouts.keep_alive--> GOAWAY -----------------------------------------^
 */
#include "client/h2.h"

#include "base/mem.h"
#include "client/patience.h"

enum {
    STREAM_WINDOW = 65535, /* bytes of a body that wait for the exchange, at first and */
    STREAM_WINDOW_TOP = 262144,
    CONNECTION_WINDOW = 1048576, /* of all bodies */
    DRAIN_MS = 1000,             /* for the answer to the PING */
    PROBE_FIRST_MS = 5,          /* a reset needs a round trip */
};

static const struct h2_events events;

enum h2_preface h2_preface_in(struct slice bytes)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    size_t length = bytes.length < H2_PREFACE_BYTES ? bytes.length : H2_PREFACE_BYTES;

    if (memcmp(bytes.start, preface, length) != 0)
        return H2_PREFACE_NOT;
    return length == H2_PREFACE_BYTES ? H2_PREFACE_WHOLE : H2_PREFACE_PART;
}

/* --- its deadline --- */

bool h2_client_rests(const struct client *c)
{
    return c->h2->count == 0 && !c->h2->is_in_head;
}

/* For a request that begins within that time from now. */
static void h2_client_rest(struct client *c, uint64_t within_ms)
{
    c->h2->rests_until_ms = loop_now_ms(c->clients->loop) + within_ms;
    deadline_set(c->clients->loop, &c->deadline, within_ms);
}

static void h2_client_watch(struct client *c)
{
    struct loop *loop = c->clients->loop;
    const struct config_timeouts *timeouts = &c->clients->timeouts;
    struct client_h2 *h = c->h2;

    if (c->has_ended) /* then it is probed */
        return;
    if (h->is_in_head)
        deadline_set(loop, &c->deadline, patience_ms(PATIENCE_HEAD, timeouts));
    else if (h->wire.drains && !h->is_final)
        deadline_set(loop, &c->deadline, DRAIN_MS);
    else if (h->count > 0)
        deadline_rest(&c->deadline);
    else if (c->has_served || !deadline_is_set(&c->deadline))
        /* else it still has what is left for its first request */
        h2_client_rest(c, patience_ms(PATIENCE_RESTING, timeouts));
}

/* A frame that was not whole is so now: if it began no request the connection has rested all along,
 * or one with half a PING now and then would rest for ever. */
static void h2_client_rest_on(struct client *c)
{
    uint64_t now_ms = loop_now_ms(c->clients->loop);
    uint64_t until_ms = c->h2->rests_until_ms;

    deadline_set(c->clients->loop, &c->deadline, until_ms > now_ms ? until_ms - now_ms : 1);
}

/* --- the end --- */

/* What it has not taken only shrinks. */
static uint64_t taken_of(uint32_t unsent)
{
    return 0 - (uint64_t)unsent;
}

/* All that is queued goes out, then the end; what still comes is thrown away. */
static void h2_client_end(struct client *c)
{
    if (c->state != CLIENT_H2)
        return;
    if (c->has_ended)
        stream_flush(&c->stream);
    if (c->has_ended && stream_backlog(&c->stream) == 0) {
        client_close(c);
        return;
    }
    client_enter(c, CLIENT_LINGERING);
    resting_note(c, CLIENTS_LEAVING);
    deadline_rest(&c->h2->age);
    stream_shutdown(&c->stream);
    stream_read(&c->stream);
    c->watched_bytes = UINT32_MAX;
    rate_run(&c->h2->taken, loop_now_ms(c->clients->loop), taken_of(stream_unsent(&c->stream)));
    deadline_set(c->clients->loop, &c->deadline, PATIENCE_LINGER_MS);
}

void h2_client_say_end(struct client *c)
{
    h2_goaway(&c->h2->wire, H2_NO_ERROR, "it is not used");
    stream_flush(&c->stream);
}

static void h2_client_give_up(struct client *c, const char *why)
{
    h2_goaway(&c->h2->wire, H2_NO_ERROR, why);
    h2_lose(&c->h2->wire, why);
    h2_client_end(c);
}

void h2_client_drain(struct client *c)
{
    if (c->state != CLIENT_H2 || c->h2->wire.drains || c->has_ended)
        return;
    h2_drain(&c->h2->wire);
    if (!c->h2->is_in_head)
        h2_client_watch(c);
}

/* The last GOAWAY went out. */
static void h2_client_note_final(struct client *c)
{
    c->h2->is_final = true;
    if (c->h2->count == 0)
        h2_client_end(c);
    else if (!c->h2->is_in_head)
        h2_client_watch(c);
}

static void on_final(struct h2 *wire)
{
    h2_client_note_final(wire->owner);
}

/* It has had its time to answer the PING. */
static void h2_client_drain_at_last(struct client *c)
{
    h2_drain(&c->h2->wire);
    h2_client_note_final(c);
}

static void h2_client_linger(struct client *c)
{
    struct patience_seen seen = {.state = PATIENCE_LINGERING, .unsent = stream_unsent(&c->stream)};

    c->idle_lingers = seen.unsent == c->watched_bytes ? c->idle_lingers + 1 : 0;
    seen.idle_times = seen.unsent == 0 ? 1 : c->idle_lingers;
    seen.is_slow = seen.idle_times == 0 &&
                   rate_is_too_low(&c->h2->taken, loop_now_ms(c->clients->loop),
                                   taken_of(seen.unsent), c->clients->config->limits.least_rate);
    c->watched_bytes = seen.unsent;
    if (patience_next(&seen, &c->clients->timeouts).step == PATIENCE_CLOSE)
        client_close(c);
    else
        deadline_set(c->clients->loop, &c->deadline, PATIENCE_LINGER_MS);
}

/* Until it is complete nothing else can come. */
static void h2_client_fail_head(struct client *c)
{
    static const char why[] = "request head not complete within timeouts.request_head";
    uint32_t begun = h2_request_begun(&c->h2->wire);

    if (begun != 0)
        client_stream_note_bad(c, begun, INCOMING_TIMED_OUT, why);
    h2_client_give_up(c, why);
}

void h2_client_fail_memory(struct client *c)
{
    static const char why[] = "limits.memory";
    uint32_t begun = h2_request_begun(&c->h2->wire);

    if (begun != 0)
        client_stream_note_bad(c, begun, INCOMING_NO_MEMORY, why);
    h2_goaway(&c->h2->wire, H2_ENHANCE_YOUR_CALM, why);
    h2_lose(&c->h2->wire, why);
    stream_flush(&c->stream);
    if (stream_backlog(&c->stream) > 0)
        client_reset(c);
    else
        client_close(c);
}

/* It has used up its window, and no more credit will come. */
static bool h2_client_is_stuck(const struct client_stream *s)
{
    return h2_backlog(&s->stream) > 0 && stream_backlog(&s->in.client->stream) == 0;
}

static void h2_client_cancel(struct client *c, bool (*what)(const struct client_stream *))
{
    struct list_node *head = &c->h2->streams;

    for (struct list_node *node = head->next; node != head; node = node->next) {
        struct client_stream *s = list_entry(node, struct client_stream, node);

        if (!s->is_closed && what(s)) {
            client_stream_close(s, H2_CANCEL);
            client_stream_note_gone(s);
        }
    }
}

/* A client that has closed looks like one that sends no more, and answers a PING by a reset. */
static void h2_client_probe(struct client *c)
{
    if (stream_is_dead(&c->stream)) {
        client_close(c);
        return;
    }
    h2_client_cancel(c, h2_client_is_stuck);
    if (patience_probes(&c->checks))
        h2_ping(&c->h2->wire);
    deadline_set(c->clients->loop, &c->deadline, PATIENCE_UNSEEN_MS);
}

static bool h2_client_lacks_end(const struct client_stream *s)
{
    return !s->stream.has_end;
}

void h2_client_take_end(struct client *c)
{
    struct client_h2 *h = c->h2;

    h->is_in_head = false;
    h2_client_cancel(c, h2_client_lacks_end);
    h->is_final = true;
    if (h->count == 0) {
        client_close(c);
        return;
    }
    h2_ping(&h->wire);
    deadline_set(c->clients->loop, &c->deadline, PROBE_FIRST_MS);
}

void h2_client_late(struct client *c)
{
    struct client_h2 *h = c->h2;

    if (c->state == CLIENT_LINGERING)
        h2_client_linger(c);
    else if (c->has_ended)
        h2_client_probe(c);
    else if (h->is_in_head)
        h2_client_fail_head(c);
    else if (h->wire.drains && !h->is_final)
        h2_client_drain_at_last(c);
    else if (h->count == 0)
        h2_client_give_up(c, "timeouts.keep_alive");
}

static void on_age(struct deadline *d)
{
    h2_client_drain(list_entry(d, struct client_h2, age)->wire.owner);
}

void h2_client_lose(struct client *c)
{
    deadline_clear(&c->h2->age);
    h2_lose(&c->h2->wire, "the client went away");
}

void h2_client_note_cut(struct client *c)
{
    struct list_node *head = &c->h2->streams;

    for (struct list_node *node = head->next; node != head; node = node->next)
        list_entry(node, struct client_stream, node)->in.is_cut = true;
}

void h2_client_free(struct client *c)
{
    struct client_h2 *h = c->h2;

    while (!list_is_empty(&h->streams))
        client_stream_free(list_entry(h->streams.next, struct client_stream, node));
    deadline_clear(&h->age);
    h2_dispose(&h->wire);
    mem_free(h);
    c->h2 = NULL;
}

/* --- its streams --- */

void h2_client_note_stream(struct client *c)
{
    struct client_h2 *h = c->h2;

    if (c->state != CLIENT_H2)
        return;
    if (h->count == 0 && h->is_final) {
        h2_client_end(c);
        return;
    }
    if (h->count == 0)
        resting_note(c, CLIENTS_IDLE);
    if (!h->is_in_head)
        h2_client_watch(c);
}

static struct h2_stream *on_open(struct h2 *wire)
{
    struct client *c = wire->owner;

    return c->state == CLIENT_H2 ? &client_stream_new(c)->stream : NULL;
}

static void on_malformed(struct h2 *wire, uint32_t id, const char *why)
{
    struct client *c = wire->owner;

    if (c->state == CLIENT_H2)
        client_stream_note_bad(c, id, INCOMING_BAD, why);
}

static void h2_client_tell(struct client *c, enum h2_code code, const char *why)
{
    struct clients *clients = c->clients;
    bool is_abuse = code == H2_ENHANCE_YOUR_CALM;
    uint64_t count = log_interval_count(is_abuse ? &clients->abuse_log : &clients->rules_log,
                                        loop_now_ms(clients->loop), LOG_INTERVAL_MS);
    const struct slice listener = c->listener->name;
    char ip[ADDRESS_HOST_BYTES] = "-";

    if (count == 0)
        return;
    (void)address_host_in(ip, (const struct sockaddr *)&c->peer);
    log_event(is_abuse ? LOG_WARN : LOG_INFO, is_abuse ? "h2_abuse" : "h2_refused",
              LOG_PAIRS({"client", ip}, {"why", why}, {"#connections", LOG_NUMBER(count)}),
              "%.*s: a connection of %s was ended: %s", (int)listener.length, listener.start, ip,
              why);
}

static void on_broken(struct h2 *wire, enum h2_code code, const char *why)
{
    struct client *c = wire->owner;

    h2_client_tell(c, code, why);
    h2_client_end(c);
}

static const struct h2_events events = {
    .on_open = on_open,
    .on_malformed = on_malformed,
    .on_head = client_stream_take_head,
    .on_body = client_stream_take_body,
    .on_end = client_stream_take_end,
    .on_reset = client_stream_take_reset,
    .on_drained = client_stream_take_drained,
    .on_final = on_final,
    .on_broken = on_broken,
};

/* --- the beginning, and its bytes --- */

void h2_client_begin(struct client *c)
{
    struct clients *clients = c->clients;
    const struct config *config = clients->config;
    struct client_h2 *h = mem_zalloc(sizeof *h);

    h->kind = (struct h2_kind){
        .events = &events,
        .role = H2_SERVER,
        .streams = config->h2.streams,
        .stream_window = STREAM_WINDOW,
        .stream_window_top = STREAM_WINDOW_TOP,
        .connection_window = CONNECTION_WINDOW,
        .offers_connect = config->h2.websocket,
    };
    list_init(&h->streams);
    deadline_init(&h->age, on_age);
    h->rests_until_ms = loop_now_ms(clients->loop) + patience_ms(PATIENCE_HEAD, &clients->timeouts);
    c->h2 = h;
    totals_add(TOTALS_HTTP2_CONNECTIONS, 1);
    client_enter(c, CLIENT_H2);
    stream_keep_alive(&c->stream); /* while it waits for an answer nothing shows that it is gone */
    h2_begin(&h->wire, &c->stream, &h->kind, c, (uint32_t)clients->limits.head);
    if (config->limits.connection_age_ms > 0)
        deadline_set(clients->loop, &h->age, config->limits.connection_age_ms);
    if (clients->is_draining)
        h2_client_drain(c);
}

static void h2_client_note_window(struct client *c)
{
    struct client_h2 *h = c->h2;

    if (h->is_held && h->wire.receive_window > 0)
        h->held_ms = loop_now_ms(c->clients->loop);
    h->is_held = h->wire.receive_window <= 0;
}

void h2_client_take(struct client *c, struct slice bytes)
{
    struct client_h2 *h = c->h2;
    bool was_in_head = h->is_in_head;

    h->wire.head_max = (uint32_t)c->clients->limits.head; /* a reload may have changed it */
    h2_client_note_window(c);
    h2_feed(&h->wire, bytes);
    h->is_held = h->wire.receive_window <= 0;
    if (c->state != CLIENT_H2)
        return;
    h->is_in_head = h2_is_in_head(&h->wire);
    if (was_in_head && h2_client_rests(c) && !h->wire.drains && !c->has_ended)
        h2_client_rest_on(c);
    else if (h->is_in_head != was_in_head)
        h2_client_watch(c);
}

void h2_client_drained(struct client *c)
{
    h2_drained(&c->h2->wire);
}
