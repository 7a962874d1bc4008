/*
 * Every field of every head is looked up here, so names are in a table by their length, and the
 * first letter of most says that they are not in it.
 */
#include "http/field_kind.h"

#include <stdint.h>

enum { NAME_BYTES_MAX = 25, NAMES_OF_LENGTH_MAX = 4 };

struct known {
    const char *name; /* in lower case, as long as its row says */
    enum field_kind kind;
};

/* By length; a row ends with an empty one. */
static const struct known known[NAME_BYTES_MAX + 1][NAMES_OF_LENGTH_MAX + 1] = {
    [2] = {{"te", FIELD_TE}}, /* RFC 9110, 10.1.4 */
    [4] = {{"host", FIELD_HOST}, {"date", FIELD_DATE}},
    [6] = {{"cookie", FIELD_CREDENTIALS}, {"expect", FIELD_EXPECT}},
    [7] = {{"trailer", FIELD_TRAILER},
           {"upgrade", FIELD_UPGRADE}, /* RFC 9110, 7.8 */
           {"cookie2", FIELD_CREDENTIALS},
           {"api-key", FIELD_CREDENTIALS}},
    [9] = {{"forwarded", FIELD_FORWARDED}, {"x-api-key", FIELD_CREDENTIALS}},
    [10] = {{"connection", FIELD_CONNECTION},
            {"keep-alive", FIELD_HOP},
            {"tracestate", FIELD_TRACESTATE}},
    [11] = {{"client-cert", FIELD_X_FORWARDED}, /* RFC 9440, 2.2 */
            {"traceparent", FIELD_TRACEPARENT}},
    [12] = {{"max-forwards", FIELD_MAX_FORWARDS},
            {"x-auth-token", FIELD_CREDENTIALS},
            {"x-csrf-token", FIELD_CREDENTIALS},
            {"x-xsrf-token", FIELD_CREDENTIALS}},
    [13] = {{"authorization", FIELD_CREDENTIALS}},
    [14] = {{"content-length", FIELD_CONTENT_LENGTH},
            {"http2-settings", FIELD_HOP}, /* of h2c, which is never forwarded */
            {"x-access-token", FIELD_CREDENTIALS}},
    [15] = {{"x-forwarded-for", FIELD_X_FORWARDED_FOR}},
    [16] = {{"proxy-connection", FIELD_HOP},
            {"x-forwarded-host", FIELD_X_FORWARDED_HOST},
            {"x-forwarded-port", FIELD_X_FORWARDED_PORT}},
    [17] = {{"transfer-encoding", FIELD_TRANSFER_ENCODING},
            {"x-forwarded-proto", FIELD_X_FORWARDED_PROTO},
            {"client-cert-chain", FIELD_X_FORWARDED}},
    /* Proxy-Authenticate and its kin are between a client and the proxy that it has chosen (RFC
     * 9110, 11.7). Nobody has chosen us; and where a backend asks for such a password, it would
     * be asking in our name. */
    [18] = {{"proxy-authenticate", FIELD_HOP}},
    [19] = {{"proxy-authorization", FIELD_HOP}},
    [20] = {{"x-amz-security-token", FIELD_CREDENTIALS}},
    [25] = {{"proxy-authentication-info", FIELD_HOP}},
};

enum likeness { UNLIKE, ALIKE, SAME };

/* Of the first bytes of a name, which is a token, and of a known one: 0x20 more makes the lower
 * case of a letter, and nothing else that is in a token becomes what is in a known name. */
static enum likeness likeness(const char *name, const char *is_known, size_t length)
{
    enum likeness found = SAME;
    size_t at = 0;

    for (uint64_t some, others; at + sizeof some <= length; at += sizeof some) {
        memcpy(&some, name + at, sizeof some);
        memcpy(&others, is_known + at, sizeof others);
        if ((some | 0x2020202020202020) != others)
            break;
    }
    for (; at < length; at++) {
        if ((name[at] | 0x20) == is_known[at])
            continue;
        if (is_known[at] != '-' || ascii_is_alphanumeric(name[at]))
            return UNLIKE;
        found = ALIKE;
    }
    return found;
}

static enum field_kind kind_of_look_alike(enum field_kind kind)
{
    switch (kind) {
    case FIELD_CONTENT_LENGTH:
    case FIELD_TRANSFER_ENCODING:
    case FIELD_X_FORWARDED_FOR:
    case FIELD_X_FORWARDED_PROTO:
    case FIELD_X_FORWARDED_HOST:
    case FIELD_X_FORWARDED_PORT:
    case FIELD_X_FORWARDED:
        return FIELD_LOOK_ALIKE;
    case FIELD_CREDENTIALS:
        return FIELD_CREDENTIALS;
    default:
        return FIELD_OTHER;
    }
}

/* They all begin with a letter. */
static bool begins_like(struct slice name, const char *is_known)
{
    return (name.start[0] | 0x20) == is_known[0];
}

static enum field_kind kind_of_prefix(struct slice name)
{
    static const char x_forwarded[] = "x-forwarded-";
    size_t prefix = sizeof x_forwarded - 1;

    if (name.length < prefix || !begins_like(name, x_forwarded))
        return FIELD_OTHER;
    switch (likeness(name.start, x_forwarded, prefix)) {
    case SAME:
        return FIELD_X_FORWARDED;
    case ALIKE:
        return FIELD_LOOK_ALIKE;
    default:
        return FIELD_OTHER;
    }
}

enum field_kind field_kind_of(struct slice name)
{
    if (name.length > NAME_BYTES_MAX)
        return kind_of_prefix(name);
    for (const struct known *row = known[name.length]; row->name != NULL; row++) {
        enum likeness found =
            begins_like(name, row->name) ? likeness(name.start, row->name, name.length) : UNLIKE;

        if (found != UNLIKE)
            return found == SAME ? row->kind : kind_of_look_alike(row->kind);
    }
    return kind_of_prefix(name);
}

bool name_is_alike(struct slice name, struct slice other)
{
    if (name.length != other.length)
        return false;
    for (size_t i = 0; i < name.length; i++)
        if (ascii_lower(name.start[i]) != ascii_lower(other.start[i]) &&
            (ascii_is_alphanumeric(name.start[i]) || ascii_is_alphanumeric(other.start[i])))
            return false;
    return true;
}
