/*
 * A setting in the script's own table begins with two spaces, a setting in a group with four:
 *
 *   return {                      "workers", "health.interval"
 *     workers = 2,
 *     health = {
 *       interval = 2,
 */
#include "reload/differences.h"

#include <string.h>

enum { OWN_INDENT = 2, GROUP_INDENT = 4 };

/* A line end, so many spaces, and a name. */
static bool begins_entry(const char *at, const char *end, size_t indent)
{
    if (end - at < (ptrdiff_t)indent + 2 || at[0] != '\n')
        return false;
    for (size_t i = 1; i <= indent; i++)
        if (at[i] != ' ')
            return false;
    return at[indent + 1] >= 'a' && at[indent + 1] <= 'z';
}

/* The next one with that indent: its lines, from "name = " to the next one. */
static bool next_entry(struct slice *text, size_t indent, struct slice *entry)
{
    const char *at = text->start, *end = text->start + text->length;
    const char *start = NULL;

    for (; at < end; at++) {
        bool begins = begins_entry(at, end, indent);

        if (begins && start != NULL)
            break;
        if (begins)
            start = at + indent + 1;
    }
    if (start == NULL)
        return false;
    *entry = (struct slice){start, (size_t)(at - start)};
    *text = (struct slice){at, (size_t)(end - at)};
    return true;
}

static struct slice entry_name(struct slice entry)
{
    return slice_take_until(&entry, ' ');
}

static bool find_entry(struct slice text, size_t indent, struct slice name, struct slice *found)
{
    while (next_entry(&text, indent, found))
        if (slice_is(entry_name(*found), name))
            return true;
    return false;
}

static bool is_group(struct slice setting)
{
    const char *line = memchr(setting.start, '\n', setting.length);

    return line != NULL && begins_entry(line, setting.start + setting.length, GROUP_INDENT);
}

/* The first line, without its comment: what lb makes of the value is no setting. */
static struct slice entry_value(struct slice entry)
{
    struct slice line = slice_take_until(&entry, '\n');
    const char *comment = memmem(line.start, line.length, ", -- ", 5);

    if (comment != NULL)
        line.length = (size_t)(comment - line.start) + 1;
    return line;
}

static void add_name(struct buffer *out, struct slice group, struct slice name)
{
    if (buffer_length(out) > 0)
        buffer_append_text(out, ", ");
    buffer_append(out, group);
    if (group.length > 0)
        buffer_append_text(out, ".");
    buffer_append(out, name);
}

static void name_within(struct buffer *out, struct slice before, struct slice after)
{
    struct slice group = entry_name(after), entry, old, rest = after;

    while (next_entry(&rest, GROUP_INDENT, &entry))
        if (!find_entry(before, GROUP_INDENT, entry_name(entry), &old) ||
            !slice_is(entry_value(old), entry_value(entry)))
            add_name(out, group, entry_name(entry));
    while (next_entry(&before, GROUP_INDENT, &entry))
        if (!find_entry(after, GROUP_INDENT, entry_name(entry), &old))
            add_name(out, group, entry_name(entry));
}

static bool is_fixed(struct slice name)
{
    return slice_is(name, SLICE("listen")) || slice_is(name, SLICE("workers"));
}

void differences_name(struct buffer *out, struct slice before, struct slice after)
{
    struct slice none = {"", 0}, setting, old, rest = after;

    while (next_entry(&rest, OWN_INDENT, &setting)) {
        bool was_there = find_entry(before, OWN_INDENT, entry_name(setting), &old);

        if (is_fixed(entry_name(setting)) || (was_there && slice_is(old, setting)))
            continue;
        if (was_there && is_group(old) && is_group(setting))
            name_within(out, old, setting);
        else
            add_name(out, none, entry_name(setting));
    }
    while (next_entry(&before, OWN_INDENT, &setting)) /* a hook that is gone */
        if (!is_fixed(entry_name(setting)) &&
            !find_entry(after, OWN_INDENT, entry_name(setting), &old))
            add_name(out, none, entry_name(setting));
}
