/*
 * log_text - text that cannot forge a line, and times: what a line of the log is made of.
 *
 * Control bytes, backslashes and (in JSON) quotes are escaped, so are bytes above 0x7e that are
 * not UTF-8, and characters that a terminal obeys. If that is more than limit bytes, escapes
 * included, the rest is left out and "..." follows.
 *
 * All functions write at out, where there is room, and give the place behind what they wrote.
 */
#ifndef BASE_LOG_TEXT_H
#define BASE_LOG_TEXT_H

#include "base/slice.h"

#include <stdint.h>

enum log_format { LOG_TEXT, LOG_JSON };

enum {
    LOG_CUT_BYTES = 3,   /* beyond the limit */
    LOG_TIME_BYTES = 48, /* at most */
};

char *log_put_escaped(char *out, struct slice text, size_t limit, enum log_format);
/* The same for text of a client's choosing: every byte above 0x7e is escaped. */
char *log_put_foreign(char *out, struct slice text, size_t limit, enum log_format);
/* "2026-11-22 12:00:01.123+01:00" in local time, or 2026-11-22T12:00:01.123Z for JSON,
 * without quotes. Cached by second. */
char *log_put_time(char *out, uint64_t wall_us, enum log_format);

#endif
