/*
 * wheel - deadlines, in the order in which they pass.
 *
 * A wheel reads no clock: its owner hands in the time. To set and to clear a deadline is
 * a list operation, to move it to a later time or to let it rest a single store.
 * Times are whole milliseconds of the steady clock, delays count from one of them.
 */
#ifndef NET_WHEEL_H
#define NET_WHEEL_H

#include "base/list.h"

#include <stdint.h>

#define DEADLINE_NEVER UINT64_MAX

enum { WHEEL_LEVELS = 4, WHEEL_SLOTS = 256 };

struct deadline { /* net/deadline.h has what its owner does with it */
    struct list_node node;
    uint64_t at_ms;     /* DEADLINE_NEVER: at rest */
    uint64_t placed_ms; /* where it is in the wheel: at_ms, or earlier */
    void (*on_passed)(struct deadline *);
};

struct wheel {
    uint64_t now_ms;
    uint64_t next_ms;                              /* no deadline is due before; UINT64_MAX: none */
    uint64_t busy[WHEEL_LEVELS][WHEEL_SLOTS / 64]; /* a bit per slot that may hold a deadline */
    struct list_node slots[WHEEL_LEVELS][WHEEL_SLOTS];
    struct list_node due; /* at now_ms */
};

void wheel_init(struct wheel *, uint64_t now_ms);
/* Borrows the deadline until it has passed or is cleared. It passes 1 ms late at most, and never
 * early. from_ms: now, or a moment that the wheel has not heard of yet. */
void wheel_set(struct wheel *, struct deadline *, uint64_t from_ms, uint64_t delay_ms);
/* Takes out the next deadline that is due by until_ms; NULL: there is none, and until_ms is the
 * wheel's time. Between two calls any deadline may be set and cleared, even if it is due. */
struct deadline *wheel_pass(struct wheel *, uint64_t until_ms);

#endif
