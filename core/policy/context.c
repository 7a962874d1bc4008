/*
 * What ctx reads and writes besides the plain facts. policy/context.lua calls these functions by
 * name.
 */
#include "base/arena.h"
#include "http/head.h"
#include "http/path.h"
#include "http/target.h"
#include "net/address.h"
#include "net/network.h"
#include "net/tls_fingerprint.h"
#include "policy/facts.h"

#include <string.h>

enum { EXPLAIN_MAX = 16, EXPLAIN_BYTES_MAX = 1024 };

/* Who the client is, as limits.per_client counts: "192.0.2.1", "2001:db8:1:2::/64". Good until the
 * next call. */
const struct slice *context_client(const struct facts_request *request)
{
    static const char prefix[] = "/64";
    static char room[ADDRESS_HOST_BYTES + sizeof prefix];
    static struct slice text;
    struct sockaddr_in6 address;
    struct network client;

    if (memchr(request->client_ip.start, ':', request->client_ip.length) == NULL ||
        !network_read_address(request->client_ip, &address))
        return &request->client_ip;
    network_of_client(&client, &address);
    if (client.prefix == 128)
        return &request->client_ip;
    memcpy(&address.sin6_addr, client.address, sizeof client.address);
    text = address_host_in(room, (const struct sockaddr *)&address);
    memcpy(room + text.length, prefix, sizeof prefix - 1);
    text.length += sizeof prefix - 1;
    return &text;
}

/* --- cookies (RFC 6265, 4.2.1; read as servers do: leniently) --- */

struct context_cookie { /* the layout is also in policy/context.lua */
    struct slice name, value;
    uint32_t field;      /* where the next one is to be looked for: in this field, */
    uint32_t from_bytes; /* from here on in its value */
};

/* The next cookie, in the order of the fields, of that name, or of any if name is NULL; all zero
 * begins at the first. False: there are no more. */
bool context_next_cookie(const struct facts_request *request, const char *name, size_t length,
                         struct context_cookie *cookie)
{
    const struct head *head = request->head;

    for (; cookie->field < head->fields_count; cookie->field++, cookie->from_bytes = 0) {
        struct slice rest = head->fields[cookie->field].value;

        if (!slice_is_nocase(head->fields[cookie->field].name, SLICE("cookie")))
            continue;
        rest.start += cookie->from_bytes;
        rest.length -= cookie->from_bytes;
        while (rest.length > 0) {
            struct slice pair = slice_take_until(&rest, ';');
            bool has_value = memchr(pair.start, '=', pair.length) != NULL;

            cookie->name = slice_trim(slice_take_until(&pair, '='));
            if (!has_value ||
                (name != NULL && !slice_is(cookie->name, (struct slice){name, length})))
                continue;
            cookie->value = slice_trim(pair);
            cookie->from_bytes = (uint32_t)(rest.start - head->fields[cookie->field].value.start);
            return true;
        }
    }
    return false;
}

/* --- TLS --- */

const struct tls_said *context_tls(const struct facts_request *request)
{
    return request->tls;
}

/* False: there is none. Only for a request with TLS. */
bool context_fingerprint(const struct facts_request *request, char out[TLS_FINGERPRINT_BYTES])
{
    return tls_fingerprint_write(request->tls->traits, out);
}

/* --- HTTP --- */

/* What the client speaks. */
const char *context_version(const struct facts_request *request)
{
    static const char *const names[] = {"1.0", "1.1", "2"}; /* by enum version */

    return names[request->head->version];
}

const struct grpc_call *context_grpc(const struct facts_request *request)
{
    return request->grpc;
}

/* NULL: without the setting tracing. Good until the next call. */
const struct slice *context_trace_id(const struct facts_request *request)
{
    static struct slice id;

    if (request->trace == NULL)
        return NULL;
    id = trace_context_id(request->trace);
    return &id;
}

/* --- what scripts compare (http/target.h, http/path.h): made when first asked for, and kept --- */

const struct slice *context_host(struct facts_request *request)
{
    size_t length = request->host.length;
    char *text;

    if (!request->has_compared_host && length > 0) {
        text =
            arena_alloc(request->arena, length > HOST_LITERAL_BYTES ? length : HOST_LITERAL_BYTES);
        request->host = (struct slice){text, host_compared(request->host, text)};
    }
    request->has_compared_host = true;
    return &request->host;
}

static void find_clean_path(struct facts_request *request)
{
    char *text;

    if (request->has_clean_path)
        return;
    text = arena_alloc(request->arena, request->path.length + 1);
    request->clean_path.start = text;
    request->clean_path_fault = path_clean(request->path, text, &request->clean_path.length);
    request->has_clean_path = true;
}

/* NULL: not everybody reads this path alike; the fault says why. */
const struct slice *context_clean_path(struct facts_request *request)
{
    find_clean_path(request);
    return request->clean_path_fault == NULL ? &request->clean_path : NULL;
}

const char *context_clean_path_fault(struct facts_request *request)
{
    find_clean_path(request);
    return request->clean_path_fault;
}

/* --- the access line --- */

void context_no_log(struct facts_request *request)
{
    request->no_log = true;
}

static size_t pair_bytes(const struct facts_pair *pair)
{
    return pair->key.length + pair->value.length;
}

/* Adds a pair to what the access line explains, or changes the one with that key. A literal is a
 * number or a boolean, which JSON writes without quotes. A pair beyond EXPLAIN_MAX, or for whose
 * bytes there is no room, is left out. */
void context_explain(struct facts_request *request, const char *key, size_t key_length,
                     const char *value, size_t value_length, bool is_literal)
{
    struct slice name = {key, key_length};
    struct facts_pair **end = &request->explained, *found = NULL;
    size_t bytes = key_length + value_length;
    unsigned count = 0;

    for (; *end != NULL; end = &(*end)->next) {
        if (slice_is((*end)->key, name))
            found = *end;
        else
            bytes += pair_bytes(*end);
        count++;
    }
    if (bytes > EXPLAIN_BYTES_MAX || (found == NULL && count == EXPLAIN_MAX))
        return;
    if (found == NULL) {
        found = *end = arena_zalloc(request->arena, sizeof *found);
        found->key = arena_copy(request->arena, name);
    }
    /* In place if it fits, so that a loop over one key does not fill the arena. */
    if (found->room_bytes < value_length) {
        found->room_bytes = 2 * value_length;
        found->room = arena_alloc(request->arena, found->room_bytes);
    }
    if (value_length > 0)
        memcpy(found->room, value, value_length);
    found->value = (struct slice){found->room, value_length};
    found->is_literal = is_literal;
}
