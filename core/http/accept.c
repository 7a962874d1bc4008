#include "http/accept.h"

static bool ends_with(struct slice text, struct slice end)
{
    return text.length >= end.length &&
           slice_is_nocase((struct slice){text.start + text.length - end.length, end.length}, end);
}

/* "0", "0.", "0.000": not acceptable (RFC 9110, 12.4.2). */
static bool is_zero(struct slice weight)
{
    if (weight.length == 0)
        return false;
    for (size_t i = 0; i < weight.length; i++)
        if (weight.start[i] != '0' && !(i == 1 && weight.start[i] == '.'))
            return false;
    return true;
}

static bool is_refused(struct slice parameters)
{
    while (parameters.length > 0) {
        struct slice value = slice_trim(slice_take_until(&parameters, ';'));
        struct slice name = slice_trim(slice_take_until(&value, '='));

        if (slice_is_nocase(name, SLICE("q")) && is_zero(slice_trim(value)))
            return true;
    }
    return false;
}

static bool is_json(struct slice range)
{
    return slice_is_nocase(range, SLICE("application/json")) ||
           slice_is_nocase(range, SLICE("application/*")) ||
           (slice_begins_nocase(range, SLICE("application/")) && ends_with(range, SLICE("+json")));
}

bool accept_wants_json(const struct head *head)
{
    bool takes_json = false;

    for (unsigned i = 0; i < head->fields_count; i++) {
        struct slice rest = head->fields[i].value, range;

        if (!slice_is_nocase(head->fields[i].name, SLICE("accept")))
            continue;
        while (list_next(&rest, &range)) {
            struct slice type = slice_trim(slice_take_until(&range, ';'));

            if (is_refused(range))
                continue;
            if (slice_is(type, SLICE("*/*")) || slice_begins_nocase(type, SLICE("text/")))
                return false;
            takes_json |= is_json(type);
        }
    }
    return takes_json;
}
