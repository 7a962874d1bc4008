#include "base/log.h"

#include "base/clock.h"
#include "base/decimal.h"
#include "base/mem.h"
#include "base/outlet.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MESSAGE_BYTES_MAX = 2048, CLOSE_WAIT_MS = 200, TAP_BYTES_MAX = 2048 };

static struct {
    enum log_format events, lines;
    enum log_level least, opened; /* opened: what log_open said */
    const char *process;
    struct outlet out, err;
    char *path;               /* of standard output, as log_use_file got it, or NULL */
    struct half_line *halves; /* of the two files; shared by all processes */
    struct buffer line;       /* of the event that is being put together */
    uint64_t dropped;
    struct log_tap {
        bool (*are_wanted)(void *owner);
        void (*on_event)(void *owner, struct slice json);
        void *owner;
    } tap;
} state;

static bool is_one_file(void)
{
    struct stat out, err;

    return fstat(state.out.fd, &out) == 0 && fstat(state.err.fd, &err) == 0 &&
           out.st_dev == err.st_dev && out.st_ino == err.st_ino;
}

/* Without memory to share each process looks after its own lines only. */
static void share_halves(void)
{
    static struct half_line own[2];
    void *shared;

    if (state.halves == NULL) {
        shared = mmap(NULL, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        state.halves = shared != MAP_FAILED ? shared : own;
    }
    if (state.out.kind == OUTLET_FILE && state.out.half == NULL)
        state.out.half = &state.halves[0];
    if (state.err.kind == OUTLET_FILE && state.err.half == NULL)
        state.err.half = &state.halves[is_one_file() ? 0 : 1];
    state.err.stream = 1;
}

void log_open(enum log_format events, enum log_format lines, enum log_level least,
              const char *process)
{
    state.events = events;
    state.lines = lines;
    state.least = state.opened = least;
    state.process = process;
    check_speak_json(events == LOG_JSON ? process : NULL);
    state.dropped = 0;
    outlet_open(&state.out, STDOUT_FILENO);
    outlet_open(&state.err, STDERR_FILENO);
    if (state.path != NULL)
        outlet_know_path(&state.out, state.path);
    share_halves();
}

void log_tap(bool (*are_wanted)(void *owner), void (*on_event)(void *owner, struct slice json),
             void *owner)
{
    state.tap = (struct log_tap){are_wanted, on_event, owner};
}

void log_set_least(int level)
{
    if (state.least <= LOG_ERROR)
        state.least = level == LOG_AS_OPENED ? state.opened : (enum log_level)level;
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

static size_t escaped_room(struct slice text, size_t limit)
{
    enum { ESCAPE_BYTES_MAX = 6 };

    return (text.length < limit / ESCAPE_BYTES_MAX ? text.length * ESCAPE_BYTES_MAX : limit) +
           LOG_CUT_BYTES;
}

void log_append_escaped(struct buffer *out, struct slice text, size_t limit, enum log_format format)
{
    char *start = buffer_reserve(out, escaped_room(text, limit));

    buffer_grow(out, (size_t)(log_put_escaped(start, text, limit, format) - start));
}

static void append_time(struct buffer *out, uint64_t wall_us, enum log_format format)
{
    char *start = buffer_reserve(out, LOG_TIME_BYTES);

    buffer_grow(out, (size_t)(log_put_time(start, wall_us, format) - start));
}

const char *log_number(char room[LOG_NUMBER_BYTES], uint64_t number)
{
    *decimal_put(room, number) = '\0';
    return room;
}

const char *log_seconds(char room[LOG_NUMBER_BYTES], uint64_t ms)
{
    snprintf(room, LOG_NUMBER_BYTES, "%.1f", (double)ms / 1000);
    return room;
}

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
    append_time(line, clock_wall_us(), LOG_JSON);
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
    append_time(line, clock_wall_us(), LOG_TEXT);
    buffer_printf(line, " %-5s ", level);
    log_append_escaped(line, slice_of(message), MESSAGE_BYTES_MAX, LOG_TEXT);
}

/* Shortens the members until the line fits: a cut line would not be JSON. */
static void format_json_within(struct buffer *line, const char *level, const char *event,
                               const struct log_pair *pairs, const char *message, size_t room)
{
    for (size_t limit = MESSAGE_BYTES_MAX; limit > 0; limit /= 2) {
        buffer_clear(line);
        format_json(line, level, event, pairs, message, limit);
        if (buffer_length(line) < room)
            break;
    }
}

static void put_event(enum log_level level, const char *event, const struct log_pair *pairs,
                      const char *message)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    struct buffer *line = &state.line;

    buffer_clear(line);
    if (state.tap.on_event != NULL && state.tap.are_wanted(state.tap.owner)) {
        format_json_within(line, names[level], event, pairs, message, TAP_BYTES_MAX);
        state.tap.on_event(state.tap.owner, buffer_slice(line));
        buffer_clear(line);
    }
    if (state.events == LOG_TEXT)
        format_text(line, names[level], message);
    else
        format_json_within(line, names[level], event, pairs, message, OUTLET_LINE_BYTES_MAX);
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

uint64_t log_interval_count(struct log_interval *i, uint64_t now_ms, uint64_t length_ms)
{
    uint64_t events = ++i->events;

    if (now_ms < i->ends_ms)
        return 0;
    *i = (struct log_interval){.ends_ms = now_ms + length_ms};
    return events;
}

char *log_begin_line(size_t room)
{
    return log_wants(LOG_INFO) ? outlet_begin(&state.out, room) : NULL;
}

void log_end_line(size_t length)
{
    outlet_end(&state.out, length);
}

static const char *why_dropped(int error)
{
    switch (error) {
    case 0:
    case EAGAIN:
        return "nobody read them";
    case EPIPE:
    case ECONNRESET:
        return "their reader was gone";
    case ENOSPC:
        return "the disk was full";
    case EDQUOT:
        return "the disk quota was used up";
    case EFBIG:
        return "the file was as large as it may be (ulimit -f, or the file system's limit)";
    default:
        return strerror(error);
    }
}

static void report_dropped(struct outlet *from, const char *stream)
{
    uint64_t dropped = outlet_take_dropped(from);
    const char *reason = why_dropped(from->error);
    const char *count = LOG_NUMBER(dropped);

    if (dropped == 0)
        return;
    state.dropped += dropped;
    log_event(LOG_WARN, "log_dropped",
              LOG_PAIRS({"stream", stream}, {"#count", count}, {"reason", reason}),
              "%s log lines for %s%s%s were dropped: %s", count, stream,
              from->path != NULL ? ", " : "", from->path != NULL ? from->path : "", reason);
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

/* --- files --- */

int log_use_file(const char *path)
{
    int fd = outlet_open_file(path), error = 0;

    if (fd < 0)
        return errno;
    if (dup2(fd, STDOUT_FILENO) < 0)
        error = errno;
    close(fd);
    if (error == 0)
        state.path = mem_copy_text(path);
    return error;
}

static bool reopen(struct outlet *o, const char *stream)
{
    int error = o->path != NULL ? outlet_reopen(o) : 0;

    if (error != 0)
        log_event(LOG_ERROR, "log_reopen_failed",
                  LOG_PAIRS({"file", o->path}, {"stream", stream}, {"error", strerror(error)}),
                  "%s cannot be opened again: %s; lines are written to the file that was there",
                  o->path, error == EINVAL ? "it is no regular file" : strerror(error));
    return error == 0 && o->path != NULL;
}

int log_reopen(struct buffer *files)
{
    struct outlet *const all[] = {&state.out, &state.err};
    static const char *const streams[] = {"standard output", "standard error"};
    int opened = 0;

    if (state.out.path == NULL && state.err.path == NULL)
        return -1;
    for (unsigned i = 0; i < 2; i++) {
        if (!reopen(all[i], streams[i]))
            continue;
        if (files != NULL) {
            buffer_append_text(files, opened > 0 ? ", " : "");
            buffer_append_text(files, all[i]->path);
        }
        opened++;
    }
    return opened;
}
