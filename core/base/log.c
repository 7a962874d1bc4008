#include "base/log.h"

#include "base/clock.h"
#include "base/outlet.h"
#include "base/utf8.h"

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

/* --- text that cannot forge a line --- */

/* Writes the byte's escape, of 2 to 6 bytes. */
static size_t escape_byte(char *out, unsigned char byte, enum log_format format)
{
    static const char digits[] = "0123456789abcdef";
    static const char named[] = "\nn\rr\tt\\\\\"\"";
    const char *prefix = format == LOG_JSON ? "\\u00" : "\\x";
    size_t length = strlen(prefix);

    for (const char *n = named; *n != '\0'; n += 2)
        if (byte == (unsigned char)n[0]) {
            out[0] = '\\';
            out[1] = n[1];
            return 2;
        }
    memcpy(out, prefix, length);
    out[length] = digits[byte >> 4];
    out[length + 1] = digits[byte & 15];
    return length + 2;
}

static bool is_plain(char c, enum log_format format)
{
    return c >= 0x20 && c < 0x7f && c != '\\' && (c != '"' || format == LOG_TEXT);
}

static bool is_between(unsigned char byte, unsigned char least, unsigned char most)
{
    return byte >= least && byte <= most;
}

/* Characters that a terminal or an editor obeys: U+0080 to U+009F, those that
 * separate lines (U+2028, U+2029) and those that turn the direction of writing
 * or show nothing (U+061C, U+200E, U+202A, U+2066, U+FEFF and their like). */
static bool is_control_character(struct slice text)
{
    const unsigned char *c = (const unsigned char *)text.start;

    if (c[0] == 0xc2)
        return c[1] < 0xa0;
    if (c[0] == 0xd8)
        return c[1] == 0x9c;
    if (c[0] == 0xe2 && c[1] == 0x80)
        return is_between(c[2], 0x8e, 0x8f) || is_between(c[2], 0xa8, 0xae);
    if (c[0] == 0xe2 && c[1] == 0x81)
        return is_between(c[2], 0xa0, 0xaf);
    return c[0] == 0xef && c[1] == 0xbb && c[2] == 0xbf;
}

/* How many bytes at the start of the text may be shown as they are. */
static size_t shown_as_it_is(struct slice text, bool ascii_only, enum log_format format)
{
    size_t length = 0;

    while (length < text.length && is_plain(text.start[length], format))
        length++;
    if (length > 0 || ascii_only)
        return length;
    length = utf8_length(text);
    return length > 0 && is_control_character(text) ? 0 : length;
}

static void append_shown(struct buffer *out, struct slice text, size_t limit, bool ascii_only,
                         enum log_format format)
{
    while (text.length > 0) {
        size_t taken = shown_as_it_is(text, ascii_only, format);
        struct slice piece = {text.start, taken};
        char escape[8];

        if (taken == 0) {
            piece =
                (struct slice){escape, escape_byte(escape, (unsigned char)text.start[0], format)};
            taken = 1;
        }
        if (piece.length > limit) { /* plain bytes can be parted, others not */
            if (is_plain(text.start[0], format))
                buffer_append(out, (struct slice){piece.start, limit});
            buffer_append_text(out, "...");
            return;
        }
        buffer_append(out, piece);
        limit -= piece.length;
        text = (struct slice){text.start + taken, text.length - taken};
    }
}

void log_append_escaped(struct buffer *out, struct slice text, size_t limit, enum log_format format)
{
    append_shown(out, text, limit, false, format);
}

void log_append_foreign(struct buffer *out, struct slice text, size_t limit, enum log_format format)
{
    append_shown(out, text, limit, true, format);
}

void log_append_time(struct buffer *out, uint64_t wall_us, enum log_format format)
{
    static struct {
        time_t second;
        char text[32];
    } cache[2];
    time_t second = (time_t)(wall_us / 1000000);
    unsigned millisecond;
    struct tm parts;

    if (cache[format].second != second) {
        cache[format].second = second;
        if (format == LOG_JSON)
            strftime(cache[format].text, sizeof cache->text, "%Y-%m-%dT%H:%M:%S",
                     gmtime_r(&second, &parts));
        else
            strftime(cache[format].text, sizeof cache->text, "%Y-%m-%d %H:%M:%S",
                     localtime_r(&second, &parts));
    }
    millisecond = (unsigned)(wall_us / 1000 % 1000);
    buffer_append_text(out, cache[format].text);
    buffer_append_byte(out, '.');
    buffer_append_byte(out, (char)('0' + millisecond / 100));
    buffer_append_byte(out, (char)('0' + millisecond / 10 % 10));
    buffer_append_byte(out, (char)('0' + millisecond % 10));
    if (format == LOG_JSON)
        buffer_append_byte(out, 'Z');
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

void log_line(struct slice line)
{
    if (log_wants(LOG_INFO))
        outlet_put(&state.out, line);
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
