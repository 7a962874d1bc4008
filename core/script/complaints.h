/*
 * complaints - which of many alike failures are told, so that a script that fails in every call
 * fills no disk, and one frequent failure does not hide the others.
 *
 * Alike are those of one hook, one kind and one line: one in a second is told, with the number
 * of those that were not. More kinds than fit are told as others end their second.
 */
#ifndef SCRIPT_COMPLAINTS_H
#define SCRIPT_COMPLAINTS_H

#include <stdbool.h>
#include <stdint.h>

enum { COMPLAINTS_EVERY_MS = 1000, COMPLAINTS_MAX = 32 };

struct complaint {
    uint32_t hook, kind, line;
    uint64_t said_ms; /* 0: a free entry */
    uint64_t unsaid;
};

struct complaints { /* all zero: nothing was told yet */
    struct complaint list[COMPLAINTS_MAX];
    uint64_t unsaid_others; /* that found no entry */
};

/* Is this one to be told now? *suppressed is how many were not, since the last one that was. */
bool complaints_may_say(struct complaints *, uint32_t hook, uint32_t kind, uint32_t line,
                        uint64_t now_ms, uint64_t *suppressed);

#endif
