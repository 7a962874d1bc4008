#include "script/complaints.h"

#include <stddef.h>

static bool are_alike(const struct complaint *a, const struct complaint *b)
{
    return a->hook == b->hook && a->kind == b->kind && a->line == b->line;
}

/* Its own entry, or the entry that was logged the longest time ago. */
static struct complaint *complaint_for(struct complaints *c, const struct complaint *one)
{
    struct complaint *oldest = &c->list[0];

    for (size_t i = 0; i < COMPLAINTS_MAX; i++) {
        struct complaint *entry = &c->list[i];

        if (are_alike(entry, one))
            return entry;
        if (entry->logged_ms < oldest->logged_ms)
            oldest = entry;
    }
    return oldest;
}

bool complaints_may_log(struct complaints *c, uint32_t hook, uint32_t kind, uint32_t line,
                        uint64_t now_ms, uint64_t *suppressed)
{
    struct complaint now = {.hook = hook, .kind = kind, .line = line, .logged_ms = now_ms};
    struct complaint *entry = complaint_for(c, &now);
    bool has_entry = are_alike(entry, &now);
    uint64_t *unlogged = has_entry ? &entry->unlogged : &c->unlogged_others;

    if (entry->logged_ms != 0 && now_ms - entry->logged_ms < COMPLAINTS_EVERY_MS) {
        ++*unlogged;
        return false;
    }
    *suppressed = *unlogged;
    if (!has_entry)
        c->unlogged_others = entry->unlogged; /* of the entry that makes room */
    *entry = now;
    return true;
}
