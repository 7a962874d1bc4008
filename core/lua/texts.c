/*
 * Functions on texts that are C: core/lua/texts.lua and json.lua call these by name.
 * Each takes time by the length of its text, which the callers bound.
 */
#include "base/buffer.h"
#include "base/log.h"
#include "base/utf8.h"

enum { MEMBERS_MAX = 20 }; /* of an event; texts.lua knows it, too */

/* Takes as long for any bytes. */
bool texts_equal(const char *a, const char *b, size_t length)
{
    volatile unsigned char differs = 0;

    for (size_t i = 0; i < length; i++)
        differs = (unsigned char)(differs | (a[i] ^ b[i]));
    return differs == 0;
}

/* How much of it is UTF-8. */
size_t texts_utf8(const char *text, size_t length)
{
    return utf8_prefix((struct slice){text, length});
}

/* Where events are lines for people, they have a message only. */
static void log_as_text(uint32_t level, const char *message, const struct log_pair *pairs)
{
    struct buffer line = {0};

    buffer_append_text(&line, message);
    for (; pairs->name != NULL; pairs++)
        buffer_printf(&line, " %s=%s", pairs->name + (pairs->name[0] == '#'), pairs->value);
    log_event((enum log_level)level, "script", NULL, "%.*s", (int)buffer_length(&line),
              buffer_slice(&line).start);
    buffer_dispose(&line);
}

/* An event of the script with members besides its message: names and values in turn, each with a
 * NUL behind it, a name as log_pair has it. Level: enum log_level. */
void texts_log(uint32_t level, const char *message, const char *const *members, uint32_t count)
{
    struct log_pair pairs[MEMBERS_MAX + 1] = {{0}};

    for (uint32_t i = 0; i < count && i < MEMBERS_MAX; i++)
        pairs[i] = (struct log_pair){members[2 * i], members[2 * i + 1]};
    if (log_event_format() == LOG_TEXT)
        log_as_text(level, message, pairs);
    else
        log_event((enum log_level)level, "script", pairs, "%s", message);
}
