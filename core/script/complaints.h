/*
 * complaints - which of many alike failures are logged, so that a script that fails in every call
 * fills no disk, and one frequent failure does not hide the others.
 *
 * Failures of one hook, one kind and one line are alike: one in a second is logged, with the number
 * of those that were not. More kinds than fit are logged as others end their second.
 */
#ifndef SCRIPT_COMPLAINTS_H
#define SCRIPT_COMPLAINTS_H

#include <stdbool.h>
#include <stdint.h>

enum { COMPLAINTS_EVERY_MS = 1000, COMPLAINTS_MAX = 32 };

struct complaint {
    uint32_t hook, kind, line;
    uint64_t logged_ms; /* 0: a free entry */
    uint64_t unlogged;
};

struct complaints { /* all zero: nothing was logged yet */
    struct complaint list[COMPLAINTS_MAX];
    uint64_t unlogged_others; /* that found no entry */
};

/* Is this failure to be logged now? *suppressed: how many were not, since the last one was. */
bool complaints_may_log(struct complaints *, uint32_t hook, uint32_t kind, uint32_t line,
                        uint64_t now_ms, uint64_t *suppressed);

#endif
