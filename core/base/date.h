/*
 * date - the time of day as HTTP writes it (RFC 9110, 5.6.7).
 */
#ifndef BASE_DATE_H
#define BASE_DATE_H

#include "base/slice.h"

/* "Sun, 06 Nov 1994 08:49:37 GMT", now; valid until the next call. */
struct slice date_now(void);

#endif
