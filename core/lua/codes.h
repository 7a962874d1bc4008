/*
 * codes - how bytes are written as text, and times as dates: core/lua/codes.lua calls these by
 * name.
 *
 * Each takes time by the length of what it is given, which codes.lua bounds. `out` has room for the
 * result; none of them ends it with a NUL. What decodes gives the length of the result, or if the
 * text is wrong -1 - the place of the first byte that cannot be there.
 */
#ifndef LUA_CODES_H
#define LUA_CODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RFC 4648, 4 with padding, or as is_url 5 without. To: 4 bytes for each 3 begun; from: 3 for each
 * 4 begun. Padding may be left out of the second only, and bits that mean nothing are zero. */
int32_t codes_to_base64(const char *bytes, size_t length, bool is_url, char *out);
int32_t codes_from_base64(const char *text, size_t length, bool is_url, char *out);

int32_t codes_to_hex(const char *bytes, size_t length, char *out); /* 2 for each, in lower case */
int32_t codes_from_hex(const char *text, size_t length, char *out);

/* RFC 3986, 2.1: all but unreserved characters become "%41", 3 bytes for each. */
int32_t codes_to_percent(const char *bytes, size_t length, char *out);
/* If is_form a "+" is a space, and a "%" without two digits behind it stays as it is. */
int32_t codes_from_percent(const char *text, size_t length, bool is_form, char *out);

void codes_sha256(const char *text, size_t length, char out[64]); /* hex digits */

enum { CODES_DATE_BYTES = 8192 };

/* A time in UTC, by strftime, whose format has known conversions only. The length; 0: none. */
size_t codes_date(const char *format, double seconds, char out[CODES_DATE_BYTES]);
/* year, month, day, hour, min, sec, wday, yday as Lua has them. False: there is no such date. */
bool codes_date_fields(double seconds, int32_t out[8]);
/* The other way round, of the first six, which may be beyond what a calendar has. */
double codes_time(const int32_t fields[6]);

#endif
