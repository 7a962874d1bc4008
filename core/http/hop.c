/*
 * hop - names are known by tables. The first has what a proxy acts on, and every field is looked
 * up in it. The second, the well-known rest, is read only where Connection names a field, and for
 * trailers.
 */
#include "http/hop.h"

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
    [10] = {{"connection", FIELD_CONNECTION}, {"keep-alive", FIELD_HOP}},
    [12] = {{"max-forwards", FIELD_MAX_FORWARDS},
            {"x-auth-token", FIELD_CREDENTIALS},
            {"x-csrf-token", FIELD_CREDENTIALS},
            {"x-xsrf-token", FIELD_CREDENTIALS}},
    [13] = {{"authorization", FIELD_CREDENTIALS}},
    [14] = {{"content-length", FIELD_CONTENT_LENGTH},
            {"http2-settings", FIELD_HOP}, /* of h2c, which never goes on */
            {"x-access-token", FIELD_CREDENTIALS}},
    [15] = {{"x-forwarded-for", FIELD_X_FORWARDED_FOR}},
    [16] = {{"proxy-connection", FIELD_HOP},
            {"x-forwarded-host", FIELD_X_FORWARDED_HOST},
            {"x-forwarded-port", FIELD_X_FORWARDED_PORT}},
    [17] = {{"transfer-encoding", FIELD_TRANSFER_ENCODING},
            {"x-forwarded-proto", FIELD_X_FORWARDED_PROTO}},
    /* Proxy-Authenticate and its kin are between a client and the proxy that it has chosen (RFC
     * 9110, 11.7). Nobody has chosen us; and where a backend asks for such a password, it would
     * be asking in our name. */
    [18] = {{"proxy-authenticate", FIELD_HOP}},
    [19] = {{"proxy-authorization", FIELD_HOP}},
    [20] = {{"x-amz-security-token", FIELD_CREDENTIALS}},
    [25] = {{"proxy-authentication-info", FIELD_HOP}},
};

/* Well-known fields of the message, the first row that fits counts. A Connection option for one
 * is never right (RFC 9110, 7.6.1), and none is a trailer where its definition does not say so. */
static const struct end_to_end {
    const char *name; /* in lower case; with '*' behind it: whatever follows */
    bool may_trail;
} end_to_end[] = {
    {"accept", false},
    {"accept-ranges", true}, /* RFC 9110, 14.3 */
    {"accept-*", false},
    {"access-control-*", false},
    {"age", false},
    {"allow", false},
    {"alt-svc", false},
    {"cache-control", false},
    {"content-digest", true}, /* RFC 9530, 2 */
    {"content-md5", true},
    {"content-*", false},
    {"etag", true}, /* RFC 9110, 8.8.3 */
    {"expires", false},
    {"from", false},
    {"idempotency-key", false},
    {"if-*", false},
    {"last-modified", false},
    {"location", false},
    {"origin", false},
    {"pragma", false},
    {"range", false},
    {"referer", false},
    {"retry-after", false},
    {"server", false},
    {"set-cookie", false},
    {"set-cookie2", false},
    {"strict-transport-security", false},
    {"user-agent", false},
    {"vary", false},
    {"via", false},
    {"www-authenticate", false},
};

enum likeness { UNLIKE, ALIKE, SAME };

static bool is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

/* Of the first bytes of a name, which is a token, and of a known one: 0x20 more makes the lower
 * case of a letter, and nothing else that is in a token becomes what is in a known name. */
static enum likeness likeness(const char *name, const char *is_known, size_t length)
{
    enum likeness found = SAME;

    for (size_t i = 0; i < length; i++) {
        if ((name[i] | 0x20) == is_known[i])
            continue;
        if (is_known[i] != '-' || is_alphanumeric(name[i]))
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
        return FIELD_LOOK_ALIKE;
    case FIELD_CREDENTIALS:
        return FIELD_CREDENTIALS;
    default:
        return FIELD_OTHER;
    }
}

static const struct known *names_of_length(size_t length)
{
    return known[length <= NAME_BYTES_MAX ? length : 0];
}

enum field_kind hop_kind_of(struct slice name)
{
    static const char x_forwarded[] = "x-forwarded-";
    size_t prefix = sizeof x_forwarded - 1;

    for (const struct known *row = names_of_length(name.length); row->name != NULL; row++) {
        enum likeness found = likeness(name.start, row->name, name.length);

        if (found != UNLIKE)
            return found == SAME ? row->kind : kind_of_look_alike(row->kind);
    }
    if (name.length < prefix)
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

static bool fits_end_to_end(struct slice name, const struct end_to_end *row)
{
    size_t length = strlen(row->name);

    if (row->name[length - 1] != '*')
        return slice_is_nocase(name, (struct slice){row->name, length});
    name.length = name.length < length - 1 ? name.length : length - 1;
    return slice_is_nocase(name, (struct slice){row->name, length - 1});
}

static const struct end_to_end *end_to_end_find(struct slice name)
{
    for (size_t i = 0; i < sizeof end_to_end / sizeof *end_to_end; i++)
        if (fits_end_to_end(name, &end_to_end[i]))
            return &end_to_end[i];
    return NULL;
}

static void hop_set(struct hop *hop, unsigned field, enum field_kind kind)
{
    hop->kinds[field] = (unsigned char)kind;
    hop->seen |= (uint32_t)1 << kind;
}

/* Each field is found by an option once at most, then it is no candidate any more: many equal
 * options, or fields, cost no more than as many different ones. */
static void hop_mark(struct hop *hop, const struct field *fields, unsigned count,
                     struct slice option)
{
    for (unsigned i = 0; i < count; i++) {
        if (hop->kinds[i] != FIELD_OTHER && hop->kinds[i] != FIELD_LOOK_ALIKE)
            continue;
        if (slice_is_nocase(fields[i].name, option))
            hop_set(hop, i, end_to_end_find(option) != NULL ? FIELD_END_TO_END : FIELD_NAMED);
    }
}

/* keep-alive, upgrade and the like: what names one that we know anyway changes nothing. */
static bool option_may_name(struct slice option)
{
    enum field_kind kind = hop_kind_of(option);

    return kind == FIELD_OTHER || kind == FIELD_LOOK_ALIKE;
}

/* RFC 9110, 7.6.1: several lines, and a list in each, are one list. */
static void hop_mark_named(struct hop *hop, const struct head *head, const struct field *fields,
                           unsigned count)
{
    for (unsigned i = 0; i < head->fields_count; i++) {
        struct slice rest = head->fields[i].value;
        struct slice option;

        if (hop_kind_of(head->fields[i].name) != FIELD_CONNECTION)
            continue;
        while (list_next(&rest, &option))
            if (option_may_name(option))
                hop_mark(hop, fields, count, option);
    }
}

struct hop hop_sort(struct arena *arena, const struct head *head, const struct field *fields,
                    unsigned count)
{
    struct hop hop = {.kinds = arena_alloc(arena, count)};

    for (unsigned i = 0; i < count; i++)
        hop_set(&hop, i, hop_kind_of(fields[i].name));
    if (fields != head->fields || hop_has(&hop, FIELD_CONNECTION))
        hop_mark_named(&hop, head, fields, count);
    return hop;
}

bool hop_may_trail(enum field_kind kind, struct slice name)
{
    const struct end_to_end *found = end_to_end_find(name);

    if (kind != FIELD_OTHER && kind != FIELD_END_TO_END)
        return false;
    return found == NULL || found->may_trail;
}
