/*
 * date - the time of day as HTTP writes it (RFC 9110, 5.6.7), and as a JSON log does.
 */
#ifndef BASE_DATE_H
#define BASE_DATE_H

#include "base/slice.h"

#include <stdint.h>

/* "Sun, 06 Nov 1994 08:49:37 GMT", now; valid until the next call. */
struct slice date_now(void);

/* "1994-11-06T08:49:37.000Z" and a NUL, into at least 48 bytes; how many that are, as snprintf. For
 * last words: it takes no lock and allocates nothing, as gmtime_r may. */
int date_put_utc(char *out, size_t room, uint64_t wall_us);

#endif
