/*
 * log - what happened, in whole lines, never waiting for their reader.
 *
 * Events go to standard error, one line per finished exchange to standard
 * output. Lines gather in memory until log_flush, which a worker calls once a
 * loop turn. A pipe that nobody empties makes lines drop, and so does a full disk; they are
 * counted, and the count is logged as soon as there is room again. A line that is longer
 * than a pipe takes as one (4096 bytes) is cut and ends with "...".
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/buffer.h"
#include "base/check.h"
#include "base/log_text.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_pair {     /* one more fact of an event; a list of them ends with name NULL */
    const char *name; /* with "#" in front: the value is a number */
    const char *value;
};

/* LOG_PAIRS({"child", name}, {"#pid", LOG_NUMBER(pid)}): the list, of literals of the block that it
 * stands in. LOG_SECONDS has one decimal. */
#define LOG_PAIRS(...)     ((const struct log_pair[]){__VA_ARGS__, {NULL, NULL}})
#define LOG_NUMBER(number) log_number((char[LOG_NUMBER_BYTES]){0}, (uint64_t)(number))
#define LOG_SECONDS(ms)    log_seconds((char[LOG_NUMBER_BYTES]){0}, ms)

enum { LOG_NUMBER_BYTES = 24 };

const char *log_number(char room[LOG_NUMBER_BYTES], uint64_t number); /* both give the room */
const char *log_seconds(char room[LOG_NUMBER_BYTES], uint64_t ms);

/* Call once, before any other; again after a fork, with the new process's name
 * ("worker 1"), which is borrowed for ever: what the parent had not flushed
 * before the fork is the parent's. */
void log_open(enum log_format events, enum log_format lines, enum log_level least,
              const char *process);
/* From now on, over any log_open, each event that is logged goes to on_event, too, as one JSON
 * object, if are_wanted. */
void log_tap(bool (*are_wanted)(void *owner), void (*on_event)(void *owner, struct slice json),
             void *owner);
/* From now on that is the least level that is logged; LOG_AS_OPENED: that of log_open. Not of a
 * process that is mute. */
enum { LOG_AS_OPENED = -1 };
void log_set_least(int level);
void log_mute(void); /* no event from now on, of this process */
bool log_wants(enum log_level);
enum log_format log_event_format(void);
enum log_format log_line_format(void);

/* event is a stable name ("backend_down"); pairs may be NULL. The message is
 * for people; control bytes in it and in the values are escaped. */
void log_event(enum log_level, const char *event, const struct log_pair *pairs, const char *message,
               ...) PRINTF(4, 5);

enum { LOG_INTERVAL_MS = 10000 }; /* the usual one */

/* For an event that comes again and again: one line reports all of an interval. */
struct log_interval { /* all zero: none came yet */
    uint64_t ends_ms; /* steady clock */
    uint64_t events;  /* that no line has reported */
};

/* Counts one event. How many are to be reported now; 0: the interval is not over. */
uint64_t log_interval_count(struct log_interval *, uint64_t now_ms, uint64_t length_ms);

/* Shows a text as log_put_escaped does, in a buffer. */
void log_append_escaped(struct buffer *, struct slice text, size_t limit, enum log_format);

/* An exchange's line, to standard output, put together in place: where to write at most room bytes,
 * to be looked at until the next call of log_; NULL if nobody wants it, as its level is info. Then
 * how many it has become, its line end apart. A line that was begun may be begun again. */
char *log_begin_line(size_t room);
void log_end_line(size_t length);
bool log_flush(void);             /* false: lines still wait, call again in a while */
uint64_t log_lines_dropped(void); /* by this process since log_open, both streams */
void log_close(void);             /* flushes, waiting 200 ms at most for a reader */

/* Standard output is that file from now on, of this process and its children: before log_open. The
 * path, which is copied, is where it is opened again. 0, or errno: then all is as it was. */
int log_use_file(const char *path) MUST_USE;
/* Opens the streams that are regular files again, by the paths that they had at the first log_open
 * (base/outlet.h); an event reports each that cannot be. How many were, and -1 if none is a file;
 * *files, if it is not NULL, gets their paths. */
int log_reopen(struct buffer *files);

#endif
