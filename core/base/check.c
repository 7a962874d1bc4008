#include "base/check.h"

#include "base/clock.h"
#include "base/date.h"
#include "base/log_text.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_BYTES_MAX = 4000, SHOWN_BYTES_MAX = 3000, LINE_BYTES = 4096 };

static const char PREFIX[] = "lb: "; /* of some words: in text it says who speaks */

static const char *json_process; /* NULL: text */

void check_speak_json(const char *process)
{
    json_process = process;
}

static char *put_last_words(char *out, const char *event, struct slice words)
{
    size_t prefix = strncmp(words.start, PREFIX, strlen(PREFIX)) == 0 ? strlen(PREFIX) : 0;
    char time[LOG_TIME_BYTES];
    int length;

    words = slice_from(words, prefix);
    date_put_utc(time, sizeof time, clock_wall_us());
    length = snprintf(out, LINE_BYTES - SHOWN_BYTES_MAX,
                      "{\"time\":\"%s\",\"level\":\"error\",\"event\":\"%.64s\","
                      "\"process\":\"%.64s\",\"message\":\"",
                      time, event, json_process);
    out = log_put_escaped(out + length, words, SHOWN_BYTES_MAX, LOG_JSON);
    return slice_put(out, SLICE("\"}"));
}

static void write_error(const char *line, size_t length)
{
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};

    if (poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0 ||
        write(STDERR_FILENO, line, length) < 0)
        return; /* nobody is left who could read it */
}

void check_last_words(const char *event, const char *format, ...)
{
    char words[WORDS_BYTES_MAX], line[LINE_BYTES], *end;
    struct slice said = {words, 0};
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    said.length = (size_t)length < sizeof words ? (size_t)length : sizeof words - 1;
    end = json_process != NULL ? put_last_words(line, event, said) : slice_put(line, said);
    *end++ = '\n';
    write_error(line, (size_t)(end - line));
}

/* --- broken promises --- */

enum { CHANGES_KEPT = 24, CHANGE_BYTES = 96 };

static char changes[CHANGES_KEPT][CHANGE_BYTES]; /* of states, in a ring */
static unsigned changes_count;

void check_note_state(const char *kind, const void *object, const char *from, const char *to)
{
    snprintf(changes[changes_count++ % CHANGES_KEPT], CHANGE_BYTES, "%s %p: %s, then %s", kind,
             object, from, to);
}

void check_failed(const char *promise, const char *file, int line)
{
    for (unsigned i = CHANGES_KEPT < changes_count ? changes_count - CHANGES_KEPT : 0;
         i < changes_count; i++)
        check_last_words("broken_promise", "lb: before it: %s", changes[i % CHANGES_KEPT]);
    check_last_words("broken_promise", "lb: broken promise at %s:%d: %s", file, line, promise);
    abort();
}
