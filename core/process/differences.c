#include "process/differences.h"

#include <string.h>

/* The next setting of the script's own table: its lines, from "  name = " to the next one. */
static bool next_setting(struct slice *text, struct slice *setting)
{
    const char *at = text->start, *end = text->start + text->length;
    const char *start = NULL;

    for (; at < end; at++) {
        bool begins = at[0] == '\n' && end - at > 3 && at[1] == ' ' && at[2] == ' ' &&
                      at[3] >= 'a' && at[3] <= 'z';

        if (begins && start != NULL)
            break;
        if (begins)
            start = at + 3;
    }
    if (start == NULL)
        return false;
    *setting = (struct slice){start, (size_t)(at - start)};
    *text = (struct slice){at, (size_t)(end - at)};
    return true;
}

static struct slice name_of(struct slice setting)
{
    const char *space = memchr(setting.start, ' ', setting.length);

    return (struct slice){setting.start,
                          space != NULL ? (size_t)(space - setting.start) : setting.length};
}

static bool is_in(struct slice text, struct slice wanted)
{
    struct slice setting;

    while (next_setting(&text, &setting))
        if (slice_is(setting, wanted))
            return true;
    return false;
}

static bool has_name(struct slice text, struct slice name)
{
    struct slice setting;

    while (next_setting(&text, &setting))
        if (slice_is(name_of(setting), name))
            return true;
    return false;
}

static void add_name(struct buffer *out, struct slice name)
{
    if (slice_is(name, SLICE("listen")) || slice_is(name, SLICE("workers")))
        return;
    if (buffer_length(out) > 0)
        buffer_append_text(out, ", ");
    buffer_append(out, name);
}

void differences_name(struct buffer *out, struct slice before, struct slice after)
{
    struct slice setting, rest = after;

    while (next_setting(&rest, &setting))
        if (!is_in(before, setting))
            add_name(out, name_of(setting));
    rest = before;
    while (next_setting(&rest, &setting)) /* a hook that is gone */
        if (!has_name(after, name_of(setting)))
            add_name(out, name_of(setting));
}
