#include "proxy/describe.h"

#include "http/framing.h"

#include <arpa/inet.h>

static struct slice describe_id(struct arena *arena, uint64_t id)
{
    static const char hex[] = "0123456789abcdef";
    char *text = arena_alloc(arena, 16);

    /* Spread over all bits, so that ids make good keys (splitmix64's finisher). */
    id = (id ^ (id >> 30)) * 0xbf58476d1ce4e5b9u;
    id = (id ^ (id >> 27)) * 0x94d049bb133111ebu;
    id ^= id >> 31;
    for (int i = 15; i >= 0; i--, id >>= 4)
        text[i] = hex[id & 15];
    return (struct slice){text, 16};
}

/* A client of IPv4 looks the same on a socket that serves both. */
static struct slice describe_ip(struct incoming *in)
{
    const struct sockaddr_in6 *peer = incoming_peer(in);
    const struct sockaddr_in *peer_v4 = (const struct sockaddr_in *)(const void *)peer;
    char *text = arena_alloc(&in->arena, INET6_ADDRSTRLEN);
    const char *done;

    if (peer->sin6_family == AF_INET)
        done = inet_ntop(AF_INET, &peer_v4->sin_addr, text, INET6_ADDRSTRLEN);
    else if (peer->sin6_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&peer->sin6_addr))
        done = inet_ntop(AF_INET, &peer->sin6_addr.s6_addr[12], text, INET6_ADDRSTRLEN);
    else
        done = inet_ntop(AF_INET6, &peer->sin6_addr, text, INET6_ADDRSTRLEN);
    return done ? slice_of(text) : SLICE("unknown");
}

struct facts_request describe_request(struct incoming *in, uint64_t id)
{
    const struct head *head = incoming_head(in);
    const struct target *target = &in->request.target;

    return (struct facts_request){
        .id = describe_id(&in->arena, id),
        .method = head->method,
        .target = head->target,
        .path = target->path,
        .query = target->query,
        .host = host_without_port(in->request.host),
        .scheme = SLICE("http"),
        .client_ip = describe_ip(in),
        .client_port = ntohs(incoming_peer(in)->sin6_port), /* in the same place for IPv4 */
        .attempts = 1,
        .tries = 1,
        .idempotent = method_is_idempotent(head->method),
        .head = head,
        .arena = &in->arena,
    };
}

unsigned describe_fault(enum incoming_fault fault)
{
    static const unsigned statuses[] = {
        [INCOMING_BAD] = 400,       [INCOMING_BAD_VERSION] = 505, [INCOMING_UNKNOWN_METHOD] = 501,
        [INCOMING_LONG_LINE] = 414, [INCOMING_LARGE_HEAD] = 431,  [INCOMING_TIMED_OUT] = 408,
    };

    return statuses[fault];
}
