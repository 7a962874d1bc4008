#include "http/upgrade.h"

#include "http/syntax.h"
#include "http/websocket.h"

/* "h2c" and what it was called in drafts, "h2c-14"; "h2" has no place here, but was taken. */
static bool is_http2(struct slice name)
{
    return slice_is_nocase(name, SLICE("h2")) || slice_begins_nocase(name, SLICE("h2-")) ||
           slice_begins_nocase(name, SLICE("h2c"));
}

static bool is_protocol(struct slice text)
{
    struct slice version = text, name = slice_take_until(&version, '/');
    bool has_version = name.length < text.length;

    return is_token(name) && !is_http2(name) && (!has_version || is_token(version));
}

bool protocol_next(struct members *offers, struct slice *protocol)
{
    while (members_next(offers, protocol))
        if (is_protocol(*protocol))
            return true;
    return false;
}

static bool head_offers(const struct head *head, struct slice chosen)
{
    struct members offers = {.head = head, .kind = FIELD_UPGRADE};
    struct slice protocol;

    while (protocol_next(&offers, &protocol))
        if (slice_is_nocase(protocol, chosen))
            return true;
    return false;
}

/* A client of HTTP/2 cannot check what the backend of HTTP/1.1 makes of our key (RFC 6455, 4.1). */
static bool response_has_key(const struct head *request, const struct head *response)
{
    const struct slice *key = head_find(request, SLICE("sec-websocket-key"));
    const struct slice *accept = head_find(response, SLICE("sec-websocket-accept"));
    char expected[WEBSOCKET_ACCEPT_BYTES];

    if (key == NULL || key->length != WEBSOCKET_KEY_BYTES || accept == NULL)
        return false;
    websocket_accept(*key, expected);
    return slice_is(*accept, (struct slice){expected, sizeof expected});
}

bool upgrade_agrees(const struct head *request, const struct head *response)
{
    struct members answers = {.head = response, .kind = FIELD_UPGRADE};
    struct slice chosen, another;

    return response->version == VERSION_1_1 && members_next(&answers, &chosen) &&
           !members_next(&answers, &another) &&
           head_lists(response, FIELD_CONNECTION, SLICE("upgrade")) &&
           head_offers(request, chosen) &&
           (request->version < VERSION_2 || response_has_key(request, response));
}
