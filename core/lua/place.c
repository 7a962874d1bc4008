#include "lua/place.h"

#include "lua/sandbox.h"

enum { SHORT_BYTES_MIN = 20, DIGITS_MAX = 9 };

/* How much of the message is the end of that path; 0: nothing, or too little to be sure. */
static size_t shared_end(struct slice message, struct slice path)
{
    const char *colon = memchr(message.start, ':', message.length);
    size_t length = colon != NULL ? (size_t)(colon - message.start) : 0;

    if (length < SHORT_BYTES_MIN || length > path.length)
        return 0;
    return memcmp(path.start + path.length - length, message.start, length) == 0 ? length : 0;
}

bool place_begins(struct slice message, const char *path, struct slice *behind)
{
    struct slice name = slice_of(path);
    size_t length;

    if (name.length > SANDBOX_NAME_MAX) /* all that Lua has of it */
        name.length = SANDBOX_NAME_MAX;
    if (slice_begins(message, name)) {
        length = name.length;
    } else {
        if (!slice_begins(message, SLICE("...")))
            return false;
        length = shared_end(slice_from(message, 3), name);
        if (length == 0)
            return false;
        length += 3;
    }
    if (place_line(slice_from(message, length)) == 0)
        return false;
    *behind = slice_from(message, length);
    return true;
}

const char *place_find(struct slice *message, const char *script, const struct bundle *modules)
{
    for (unsigned i = 0; i < modules->count; i++)
        if (place_begins(*message, modules->modules[i].path, message))
            return modules->modules[i].path;
    return place_begins(*message, script, message) ? script : NULL;
}

unsigned place_line(struct slice behind)
{
    unsigned line = 0;
    size_t at = 1;

    if (behind.length == 0 || behind.start[0] != ':')
        return 0;
    for (; at < behind.length && at <= DIGITS_MAX && ascii_is_digit(behind.start[at]); at++)
        line = line * 10 + (unsigned)(behind.start[at] - '0');
    return line;
}
