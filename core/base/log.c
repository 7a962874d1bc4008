#include "base/log.h"

#include "base/clock.h"
#include "base/outlet.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { MESSAGE_BYTES_MAX = 2048, CLOSE_WAIT_MS = 200 };

static struct {
    enum log_format events, lines;
    enum log_level least;
    const char *process;
    struct outlet out, err;
    struct buffer line; /* of the event that is being put together */
    uint64_t dropped;
} state;

void log_open(enum log_format events, enum log_format lines, enum log_level least,
              const char *process)
{
    state.events = events;
    state.lines = lines;
    state.least = least;
    state.process = process;
    check_speak_json(events == LOG_JSON ? process : NULL);
    state.dropped = 0;
    outlet_open(&state.out, STDOUT_FILENO);
    outlet_open(&state.err, STDERR_FILENO);
}

void log_mute(void)
{
    state.least = (enum log_level)(LOG_ERROR + 1);
}

bool log_wants(enum log_level level)
{
    return level >= state.least;
}

enum log_format log_event_format(void)
{
    return state.events;
}

enum log_format log_line_format(void)
{
    return state.lines;
}

/* --- events --- */

static void append_member(struct buffer *line, const char *name, const char *value, size_t limit)
{
    bool is_number = name[0] == '#';

    buffer_append_text(line, ",\"");
    buffer_append_text(line, name + is_number);
    buffer_append_text(line, is_number ? "\":" : "\":\"");
    log_append_escaped(line, slice_of(value), limit, LOG_JSON);
    if (!is_number)
        buffer_append_byte(line, '"');
}

static void format_json(struct buffer *line, const char *level, const char *event,
                        const struct log_pair *pairs, const char *message, size_t limit)
{
    buffer_append_text(line, "{\"time\":\"");
    log_append_time(line, clock_wall_us(), LOG_JSON);
    buffer_append_byte(line, '"');
    append_member(line, "level", level, limit);
    append_member(line, "event", event, limit);
    append_member(line, "process", state.process, limit);
    append_member(line, "message", message, limit);
    for (; pairs != NULL && pairs->name != NULL; pairs++)
        append_member(line, pairs->name, pairs->value, limit);
    buffer_append_byte(line, '}');
}

static void format_text(struct buffer *line, const char *level, const char *message)
{
    log_append_time(line, clock_wall_us(), LOG_TEXT);
    buffer_printf(line, " %-5s ", level);
    log_append_escaped(line, slice_of(message), MESSAGE_BYTES_MAX, LOG_TEXT);
}

static void put_event(enum log_level level, const char *event, const struct log_pair *pairs,
                      const char *message)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    struct buffer *line = &state.line;

    buffer_clear(line);
    if (state.events == LOG_TEXT)
        format_text(line, names[level], message);
    else /* shorter members until the line is one that needs no cut, so that it is JSON */
        for (size_t limit = MESSAGE_BYTES_MAX; limit > 0; limit /= 2) {
            buffer_clear(line);
            format_json(line, names[level], event, pairs, message, limit);
            if (buffer_length(line) < OUTLET_LINE_BYTES_MAX)
                break;
        }
    outlet_put(&state.err, buffer_slice(line));
}

void log_event(enum log_level level, const char *event, const struct log_pair *pairs,
               const char *format, ...)
{
    char message[MESSAGE_BYTES_MAX + 2]; /* one more than is shown, so that a cut is seen */
    va_list arguments;

    if (!log_wants(level))
        return;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    put_event(level, event, pairs, message);
}

char *log_begin_line(size_t room)
{
    return log_wants(LOG_INFO) ? outlet_begin(&state.out, room) : NULL;
}

void log_end_line(size_t length)
{
    outlet_end(&state.out, length);
}

static void report_dropped(struct outlet *from, const char *stream)
{
    uint64_t dropped = outlet_take_dropped(from);
    char count[24];
    struct log_pair pairs[] = {{"stream", stream}, {"#count", count}, {NULL, NULL}};

    if (dropped == 0)
        return;
    state.dropped += dropped;
    snprintf(count, sizeof count, "%llu", (unsigned long long)dropped);
    log_event(LOG_WARN, "log_dropped", pairs, "%s log lines were dropped: nobody read %s", count,
              stream);
}

bool log_flush(void)
{
    bool is_done = outlet_flush(&state.out);

    if (state.out.dropped != 0)
        report_dropped(&state.out, "standard output");
    is_done = outlet_flush(&state.err) && is_done;
    if (state.err.dropped != 0) {
        report_dropped(&state.err, "standard error");
        is_done = outlet_flush(&state.err) && is_done;
    }
    return is_done;
}

uint64_t log_lines_dropped(void)
{
    return state.dropped + state.out.dropped + state.err.dropped;
}

static void wait_for_room(int wait_ms)
{
    struct pollfd room[] = {{.fd = -1, .events = POLLOUT}, {.fd = -1, .events = POLLOUT}};

    if (buffer_length(&state.out.pending) > 0)
        room[0].fd = state.out.fd;
    if (buffer_length(&state.err.pending) > 0)
        room[1].fd = state.err.fd;
    poll(room, 2, wait_ms);
}

void log_close(void)
{
    uint64_t until_ms = clock_steady_ms() + CLOSE_WAIT_MS;

    while (!log_flush()) {
        uint64_t now_ms = clock_steady_ms();

        if (now_ms >= until_ms)
            break;
        wait_for_room((int)(until_ms - now_ms));
    }
    outlet_close(&state.out);
    outlet_close(&state.err);
    buffer_dispose(&state.line);
}
