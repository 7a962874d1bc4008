/*
 * h2_flow - windows of HTTP/2 (RFC 9113, 5.2 and 6.9). Pure.
 *
 * A window is how many bytes of DATA may still be sent. It may become negative when the peer makes
 * its SETTINGS_INITIAL_WINDOW_SIZE smaller (6.9.2).
 */
#ifndef HTTP_H2_FLOW_H
#define HTTP_H2_FLOW_H

#include "base/check.h"

#include <stdbool.h>
#include <stdint.h>

/* More credit, or the change of a setting, which may be less. False, and nothing is changed, if the
 * window would be above 2^31 - 1. */
static inline bool h2_window_add(int32_t *window, int64_t bytes)
{
    int64_t sum = *window + bytes;

    if (sum > INT32_MAX || sum < INT32_MIN)
        return false;
    *window = (int32_t)sum;
    return true;
}

/* Bytes have come. False: more than there was credit for. */
static inline bool h2_window_take(int32_t *window, uint32_t bytes)
{
    if (*window < 0 || bytes > (uint32_t)*window)
        return false;
    *window -= (int32_t)bytes;
    return true;
}

/* How many bytes may be sent, by both windows. */
static inline uint32_t h2_window_room(int32_t stream, int32_t connection)
{
    int32_t less = stream < connection ? stream : connection;

    return less > 0 ? (uint32_t)less : 0;
}

/* Credit goes to the peer in halves of a window: is so much of it to be said now? */
static inline bool h2_credit_is_due(uint32_t credit, uint32_t window)
{
    return credit > 0 && credit >= window / 2;
}

#endif
