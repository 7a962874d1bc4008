#include "proxy/describe.h"

#include "base/clock.h"
#include "base/hex.h"
#include "http/forward.h"
#include "http/method.h"
#include "net/address.h"
#include "proxy/trust.h"

#include <arpa/inet.h>

#define CLIENT_CERT SLICE("Client-Cert")

static struct slice describe_id(struct arena *arena, uint64_t id)
{
    char *text = arena_alloc(arena, HEX_WORD_BYTES);

    hex_put_word(text, id);
    return (struct slice){text, HEX_WORD_BYTES};
}

/* A client of IPv4 looks the same on a socket that serves both. */
static struct slice describe_ip(char room[ADDRESS_HOST_BYTES], const struct sockaddr_in6 *from)
{
    struct slice text = address_host_in(room, (const struct sockaddr *)from);

    return text.length > 0 ? text : SLICE("unknown");
}

/* Made for each request, so cheaper than clients_by_address_key; who aims with it hits himself. */
static uint64_t describe_client(const struct sockaddr_in6 *from)
{
    struct network client;
    uint64_t words[2];

    network_of_client(&client, from);
    memcpy(words, client.address, sizeof words);
    words[0] = (words[0] * 0x9e3779b97f4a7c15u ^ words[1]) * 0xbf58476d1ce4e5b9u;
    return words[0] != 0 ? words[0] : 1;
}

/* The peer speaks for somebody else. */
static void describe_spoken_for(struct facts_request *facts, struct incoming *in,
                                const struct config *config)
{
    struct sockaddr_in6 client;

    facts->is_trusted = true;
    if (trust_is_https(incoming_head(in)))
        facts->scheme = SLICE("https");
    if (!trust_find_client(config, incoming_head(in), &client))
        return;
    facts->client_ip = describe_ip(arena_alloc(&in->arena, ADDRESS_HOST_BYTES), &client);
    facts->client_port = 0; /* nobody says which */
    facts->client = describe_client(&client);
}

/* NULL: it is no gRPC call. */
static const struct grpc_call *describe_grpc(struct incoming *in)
{
    struct grpc_call *call;

    if (!grpc_is(incoming_head(in)))
        return NULL;
    call = arena_alloc(&in->arena, sizeof *call);
    grpc_read(call, incoming_head(in), in->request.target.path);
    return call;
}

void describe_request(struct facts_request *facts, struct incoming *in, const struct config *config,
                      uint64_t id)
{
    const struct head *head = incoming_head(in);
    const struct target *target = &in->request.target;
    const struct sockaddr_in6 *peer = incoming_peer(in);

    facts->id = describe_id(&in->arena, id);
    facts->method = head->method;
    facts->target = head->target;
    facts->path = target->path;
    facts->query = target->query;
    facts->host = in->request.host_name;
    facts->scheme = incoming_scheme(in);
    facts->client_ip = describe_ip(arena_alloc(&in->arena, ADDRESS_HOST_BYTES), peer);
    facts->listener = incoming_listener(in);
    facts->client_port = ntohs(peer->sin6_port); /* in the same place for IPv4 */
    facts->idempotent = method_is_idempotent(head->method);
    facts->head = head;
    facts->arena = &in->arena;
    facts->authority = in->request.host;
    facts->client = describe_client(peer);
    facts->tls = tls_said_copy(incoming_tls(in), &in->arena);
    facts->grpc = describe_grpc(in);
    if (incoming_has_head(in) && incoming_may_vouch(in) &&
        trust_has(config, peer)) /* what is no head says nothing */
        describe_spoken_for(facts, in, config);
}

uint64_t describe_time_ms(const struct facts_request *facts, const struct config *config,
                          const char **whose)
{
    uint64_t own_ms = facts->grpc != NULL ? facts->grpc->timeout_ms : 0;
    uint64_t time_ms = config->timeouts.request_ms;
    bool is_own = own_ms > 0 && (time_ms == 0 || own_ms < time_ms);

    *whose = is_own ? "grpc-timeout" : "timeouts.request";
    return is_own ? own_ms : time_ms;
}

struct slice describe_path(struct incoming *in, struct slice path)
{
    const struct target *target = &in->request.target;
    size_t query_bytes = target->origin.length - target->path.length;
    char *text;

    if (query_bytes == 0 || memchr(path.start, '?', path.length) != NULL)
        return path;
    text = arena_alloc(&in->arena, path.length + query_bytes);
    memcpy(text, path.start, path.length);
    memcpy(text + path.length, target->origin.start + target->path.length, query_bytes);
    return (struct slice){text, path.length + query_bytes};
}

/* Of the time that the client gives a gRPC call a backend is told what is left. */
static void add_time_left(struct field_changes *to, const struct facts_request *facts)
{
    double left_ms = facts->deadline_ms - (double)clock_steady_us() / 1000;
    char room[GRPC_TIMEOUT_BYTES];
    struct slice left = grpc_timeout_write(room, left_ms > 1 ? (uint64_t)left_ms : 1);

    (void)changes_add(to, facts->arena, FIELD_IN_REQUEST, GRPC_TIMEOUT, &left);
}

/* The certificate of a proxy that speaks for somebody else is not the client's. */
static bool has_certificate(const struct facts_request *facts)
{
    bool is_spoken_for = facts->is_trusted && facts->client_port == 0;

    return facts->tls != NULL && facts->tls->client != NULL &&
           facts->tls->client->field.length > 0 && !is_spoken_for;
}

/* RFC 9440. A chain that came makes way, too: it could be another certificate's. */
static void add_certificate(struct field_changes *to, const struct facts_request *facts)
{
    const struct tls_client_said *client = facts->tls->client;

    (void)changes_add(to, facts->arena, FIELD_IN_REQUEST, CLIENT_CERT, &client->field);
    (void)changes_add(to, facts->arena, FIELD_IN_REQUEST, SLICE("Client-Cert-Chain"),
                      client->chain_field.length > 0 ? &client->chain_field : NULL);
}

/* What the script changes in the request, and fields of ours that it leaves alone; NULL:
 * nothing. */
static const struct field_changes *describe_changes(const struct facts_request *facts,
                                                    const struct facts_overrides *overrides)
{
    const struct field_changes *changes =
        overrides != NULL && overrides->request.count > 0 ? &overrides->request : NULL;
    bool has_time =
        facts->grpc != NULL && facts->grpc->timeout_ms > 0 && !changes_name(changes, GRPC_TIMEOUT);
    bool adds_certificate = has_certificate(facts) && !changes_name(changes, CLIENT_CERT);
    struct field_changes *more;

    if (!has_time && !adds_certificate)
        return changes;
    more = arena_zalloc(facts->arena, sizeof *more);
    if (changes != NULL)
        *more = *changes;
    if (has_time)
        add_time_left(more, facts);
    if (adds_certificate)
        add_certificate(more, facts);
    return more;
}

void describe_forwarded(struct outgoing *to, struct incoming *in, const struct config *config,
                        const struct facts_request *facts, const struct facts_overrides *overrides,
                        struct slice own_host)
{
    const struct request *request = &in->request;
    const struct trace_context *trace = facts->trace;
    bool is_trusted = facts->is_trusted;
    struct target target = request->target;
    char peer_ip[ADDRESS_HOST_BYTES];

    if (overrides != NULL && overrides->path.length > 0)
        target.origin = overrides->path;
    outgoing_send_head(
        to,
        &(struct forward_request){
            .head = incoming_head(in),
            .target = &target,
            .host = request->host.length > 0 ? request->host : own_host,
            .peer_ip = is_trusted ? describe_ip(peer_ip, incoming_peer(in)) : facts->client_ip,
            .proto = incoming_scheme(in), /* of this connection, whatever others have said */
            .is_trusted = is_trusted,
            .adds_forwarded = config->forwarded,
            .wants_upgrade = request->wants_upgrade,
            .drops_expect = in->has_continue,
            .has_max_forwards = request->has_max_forwards,
            .max_forwards = request->max_forwards,
            .names_no_host = request->host.length == 0,
            .new_host = overrides != NULL ? overrides->host : (struct slice){"", 0},
            .changes = describe_changes(facts, overrides),
            .omits_via = !config->via,
            .traceparent = trace != NULL ? (struct slice){trace->text, sizeof trace->text}
                                         : (struct slice){"", 0},
            .drops_tracestate = trace != NULL && trace->drops_state,
        },
        request_body_size(request));
}

void describe_end(struct access_record *r, const struct incoming *in,
                  const struct facts_request *facts, const struct attempt *last, uint64_t now_us)
{
    r->id = facts->id;
    if (facts->trace != NULL)
        r->trace = trace_context_id(facts->trace);
    r->client_ip = facts->client_ip;
    r->client_port = facts->client_port;
    r->method = facts->method;
    r->target = facts->target;
    if (facts->method.length > 0)
        r->version = head_version(incoming_head(in));
    r->stream = in->stream_id;
    r->bytes_in = in->body_bytes;
    r->by_fallback |= facts->by_fallback != 0;
    r->explained = facts->explained;
    r->tls = facts->tls;
    r->is_first = facts->tls != NULL && incoming_is_first(in);
    r->total_us = now_us - in->began_us;
    r->ended_us = now_us;
    if (last == NULL)
        return;
    r->attempts = facts->attempts;
    r->backend = last->backend->settings->name;
    r->has_connect = last->connected_us != 0;
    r->connect_us = last->connected_us - last->began_us;
    r->has_first_byte = last->head_us != 0;
    r->first_byte_us = last->head_us - last->began_us;
}

unsigned describe_fault(enum incoming_fault fault)
{
    static const unsigned statuses[] = {
        [INCOMING_BAD] = 400,       [INCOMING_BAD_VERSION] = 505, [INCOMING_NOT_IMPLEMENTED] = 501,
        [INCOMING_LONG_LINE] = 414, [INCOMING_LARGE_HEAD] = 431,  [INCOMING_TIMED_OUT] = 408,
        [INCOMING_TOO_MANY] = 429,  [INCOMING_NO_MEMORY] = 503,
    };

    return statuses[fault];
}
