/*
 * guard - what a source's list means for the backends that there are. Pure.
 *
 * The list is the most dangerous input of a balancer: an empty answer of a name server, or half a
 * file, must not take the backends away. So:
 *
 * - a list with fewer than `min` is not believed, and changes nothing;
 * - what is new in a list is taken at once;
 * - what it leaves out goes at once, unless that is more than max_drop of all. Then it is held, and
 *   each one goes when `confirm` lists in a row have left it out, when its check fails, or when
 *   as many new ones have passed theirs.
 */
#ifndef DISCOVER_GUARD_H
#define DISCOVER_GUARD_H

#include "discover/found.h"

enum guard_standing { GUARD_UNCHECKED, GUARD_UP, GUARD_DOWN };

struct guard_rules {
    double max_drop; /* part of the backends: 0.5 */
    uint32_t min, confirm;
    uint32_t confirm_ms; /* of a source that tells only of changes: no other word confirms, too; */
};                       /* 0: it does not */

struct guard { /* of one source; all zero at first */
    uint32_t held;
    uint32_t replaced; /* held ones that new ones have let go */
    uint64_t since_ms; /* when the last one began to be held */
};

enum guard_fate { GUARD_TAKEN, GUARD_EMPTY, GUARD_TOO_FEW };

struct guard_result {
    enum guard_fate fate;
    uint32_t added, removed; /* of the backends that there were, */
    uint32_t held;           /* and those that are held now, */
    uint32_t began;          /* of which so many are by this list */
};

/* A list has come: `next`, which gets those that are held behind its own, and is then what holds.
 * Unless it is not believed: then it stays as it is, and `before` holds. standing: of those before,
 * by index, an enum guard_standing. */
struct guard_result guard_hear(struct guard *, const struct guard_rules *,
                               const struct found_list *before, const uint8_t *standing,
                               struct found_list *next, uint64_t now_ms);
/* Time has passed, or checks were made. `next` is empty, and gets those of before that stay. */
struct guard_result guard_look(struct guard *, const struct guard_rules *,
                               const struct found_list *before, const uint8_t *standing,
                               struct found_list *next, uint64_t now_ms);

#endif
