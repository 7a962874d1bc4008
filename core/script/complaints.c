#include "script/complaints.h"

#include <stddef.h>

static bool is_about(const struct complaint *entry, uint32_t hook, uint32_t kind, uint32_t line)
{
    return entry->hook == hook && entry->kind == kind && entry->line == line;
}

/* Its own entry, or the one that has been silent for longest. */
static struct complaint *complaint_for(struct complaints *c, uint32_t hook, uint32_t kind,
                                       uint32_t line)
{
    struct complaint *oldest = &c->list[0];

    for (size_t i = 0; i < COMPLAINTS_MAX; i++) {
        struct complaint *entry = &c->list[i];

        if (is_about(entry, hook, kind, line))
            return entry;
        if (entry->said_ms < oldest->said_ms)
            oldest = entry;
    }
    return oldest;
}

bool complaints_may_say(struct complaints *c, uint32_t hook, uint32_t kind, uint32_t line,
                        uint64_t now_ms, uint64_t *suppressed)
{
    struct complaint *entry = complaint_for(c, hook, kind, line);
    bool is_fresh = entry->said_ms != 0 && now_ms - entry->said_ms < COMPLAINTS_EVERY_MS;

    if (is_fresh) {
        if (is_about(entry, hook, kind, line))
            entry->unsaid++;
        else
            c->unsaid_others++;
        return false;
    }
    if (is_about(entry, hook, kind, line)) {
        *suppressed = entry->unsaid;
    } else {
        *suppressed = c->unsaid_others;
        c->unsaid_others = entry->unsaid; /* of the one that makes room */
    }
    *entry = (struct complaint){.hook = hook, .kind = kind, .line = line, .said_ms = now_ms};
    return true;
}
