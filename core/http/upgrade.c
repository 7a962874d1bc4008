#include "http/upgrade.h"

#include "http/syntax.h"

/* "h2c" and what it was called in drafts, "h2c-14"; "h2" has no place here, but was taken. */
static bool is_http2(struct slice name)
{
    return slice_is_nocase(name, SLICE("h2")) ||
           (name.length > 2 && (name.start[2] == '-' || ascii_lower(name.start[2]) == 'c') &&
            slice_is_nocase((struct slice){name.start, 2}, SLICE("h2")));
}

static bool is_protocol(struct slice text)
{
    const char *slash = memchr(text.start, '/', text.length);
    size_t length = slash != NULL ? (size_t)(slash - text.start) : text.length;
    struct slice name = {text.start, length};

    if (slash != NULL && !is_token((struct slice){slash + 1, text.length - length - 1}))
        return false;
    return is_token(name) && !is_http2(name);
}

bool protocol_next(struct slice *rest, struct slice *protocol)
{
    while (list_next(rest, protocol))
        if (is_protocol(*protocol))
            return true;
    return false;
}

/* The only protocol of all Upgrade fields; empty if there is none, or are more. */
static struct slice only_protocol(const struct head *head)
{
    struct slice only = {"", 0};
    const struct field *field;
    unsigned at = 0;

    while ((field = head_next(head, FIELD_UPGRADE, &at)) != NULL) {
        struct slice rest = field->value;
        struct slice protocol;

        while (list_next(&rest, &protocol)) {
            if (only.length > 0)
                return (struct slice){"", 0};
            only = protocol;
        }
    }
    return only;
}

static bool head_offers(const struct head *head, struct slice chosen)
{
    const struct field *field;
    unsigned at = 0;

    while ((field = head_next(head, FIELD_UPGRADE, &at)) != NULL) {
        struct slice rest = field->value;
        struct slice protocol;

        while (protocol_next(&rest, &protocol))
            if (slice_is_nocase(protocol, chosen))
                return true;
    }
    return false;
}

bool upgrade_agrees(const struct head *request, const struct head *response)
{
    struct slice chosen = only_protocol(response);

    return response->version == VERSION_1_1 && chosen.length > 0 &&
           head_lists(response, FIELD_CONNECTION, SLICE("upgrade")) && head_offers(request, chosen);
}
