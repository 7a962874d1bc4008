/*
 * Names are known by tables. Every field is looked up in the first, of field_kind, which has what a
 * proxy acts on. The second, the well-known rest, is read only where Connection names a field, and
 * for trailers.
 */
#include "http/hop_fields.h"

/* Well-known fields of the message, in lower case; with '*' behind it: whatever follows. A
 * Connection option for one is never right (RFC 9110, 7.6.1), and none is a trailer where its
 * definition does not say so: 9110, 14.3 and 8.8.3, and 9530, 2. */
static const char *const may_trail[] = {"accept-ranges", "content-digest", "content-md5", "etag",
                                        NULL};
static const char *const may_not_trail[] = {"accept",
                                            "accept-*",
                                            "access-control-*",
                                            "age",
                                            "allow",
                                            "alt-svc",
                                            "cache-control",
                                            "content-*",
                                            "expires",
                                            "from",
                                            "idempotency-key",
                                            "if-*",
                                            "last-modified",
                                            "location",
                                            "origin",
                                            "pragma",
                                            "range",
                                            "referer",
                                            "retry-after",
                                            "server",
                                            "set-cookie",
                                            "set-cookie2",
                                            "strict-transport-security",
                                            "user-agent",
                                            "vary",
                                            "via",
                                            "www-authenticate",
                                            NULL};

static bool is_among(struct slice name, const char *const *list)
{
    for (; *list != NULL; list++) {
        struct slice known;
        bool is_prefix;

        if (name.length == 0 || ascii_lower(name.start[0]) != **list)
            continue;
        known = slice_of(*list);
        is_prefix = known.start[known.length - 1] == '*';
        known.length -= is_prefix;
        if (is_prefix ? slice_begins_nocase(name, known) : slice_is_nocase(name, known))
            return true;
    }
    return false;
}

static bool is_end_to_end(struct slice name)
{
    return is_among(name, may_trail) || is_among(name, may_not_trail);
}

/* The kinds while they are found out, in the arena. */
struct sorting {
    const struct field *fields;
    unsigned char *kinds;
    unsigned count;
    uint32_t seen;
};

static void sorting_set(struct sorting *s, unsigned field, enum field_kind kind)
{
    s->kinds[field] = (unsigned char)kind;
    s->seen |= (uint32_t)1 << kind;
}

/* A proxy has no use of its own for such a field, so Connection may name it, and it may be a
 * trailer. */
static bool is_unknown(enum field_kind kind)
{
    return kind == FIELD_OTHER || kind == FIELD_TRACEPARENT || kind == FIELD_TRACESTATE;
}

/* Each field is found by an option once at most, then it is no candidate any more: many equal
 * options, or fields, cost no more than as many different ones. */
static void sorting_mark(struct sorting *s, struct slice option)
{
    for (unsigned i = 0; i < s->count; i++) {
        enum field_kind kind = (enum field_kind)(s->kinds[i] & ~FIELD_IS_PLAIN);

        if (!is_unknown(kind) && kind != FIELD_LOOK_ALIKE)
            continue;
        if (slice_is_nocase(s->fields[i].name, option))
            sorting_set(s, i, is_end_to_end(option) ? FIELD_END_TO_END : FIELD_NAMED);
    }
}

/* An option that names a field of a known kind (keep-alive, upgrade, ..) changes nothing. */
static bool option_may_name(struct slice option)
{
    enum field_kind kind = field_kind_of(option);

    return is_unknown(kind) || kind == FIELD_LOOK_ALIKE;
}

/* What a head's reader has found is taken over, and but for Connection that is all. */
struct hop_fields hop_sort(struct arena *arena, const struct head *head, const struct field *fields,
                           unsigned count)
{
    bool is_known = fields == head->fields && head->kinds != NULL;
    struct sorting s = {fields, NULL, count, 0};
    struct members options;
    struct slice option;

    if (is_known && !head_has(head, FIELD_CONNECTION))
        return (struct hop_fields){head->kinds, head->seen};
    s.kinds = arena_alloc(arena, count);
    if (is_known) {
        memcpy(s.kinds, head->kinds, count);
        s.seen = head->seen;
    } else {
        for (unsigned i = 0; i < count; i++)
            sorting_set(&s, i, field_kind_of(fields[i].name));
    }
    options = (struct members){.head = head, .kind = FIELD_CONNECTION};
    while (members_next(&options, &option))
        if (option_may_name(option))
            sorting_mark(&s, option);
    return (struct hop_fields){s.kinds, s.seen};
}

bool hop_is_named(const struct head *head, struct slice name)
{
    return option_may_name(name) && head_lists(head, FIELD_CONNECTION, name) &&
           !is_end_to_end(name);
}

bool hop_may_trail(enum field_kind kind, struct slice name)
{
    return (is_unknown(kind) || kind == FIELD_END_TO_END) &&
           (is_among(name, may_trail) || !is_among(name, may_not_trail));
}
