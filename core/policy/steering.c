/*
 * What a script does to a backend, and what it reads of its state: policy/backends.lua calls these
 * functions by name. What is done holds for all workers; the worker that changed something logs it.
 * Slots are checked here, texts may hold any byte.
 */
#include "base/clock.h"
#include "base/log.h"
#include "shared/backend_standing.h"
#include "shared/board.h"
#include "shared/changes.h"
#include "shared/steer.h"
#include "shared/weight.h"

#include <stdio.h>

enum { WHY_BYTES_MAX = 200, WEIGHT_MAX = 65535 };

/* True: it is out for so long. False: it is down, or the last one, or half of all are out. */
bool steering_eject(struct segment *segment, uint32_t slot, const char *name, double seconds,
                    const char *why, size_t why_length)
{
    char text[WHY_BYTES_MAX + 1];

    if (!segment_has_slot(segment, slot) || !(seconds > 0 && seconds <= 86400) ||
        !board_eject(segment, slot, (uint64_t)(seconds * 1000) + 1, clock_steady_ms()))
        return false;
    snprintf(text, sizeof text, "%.*s", (int)(why_length < 65536 ? why_length : 65536), why);
    changes_note(segment, slot, "up", "ejected", "script", text);
    log_event(LOG_WARN, "backend_ejected", LOG_PAIRS({"backend", name}, {"reason", text}),
              "%s is ejected for %g s by the script: %s", name, seconds, text);
    return true;
}

bool steering_drain(struct segment *segment, uint32_t slot, const char *name, bool draining)
{
    const struct log_pair *pairs = LOG_PAIRS({"backend", name});

    if (!segment_has_slot(segment, slot) ||
        !steer_drain_by_script(segment, slot, draining, clock_steady_ms()))
        return false;
    changes_note(segment, slot, draining ? "up" : "draining", draining ? "draining" : "up",
                 "script", "");
    if (draining)
        log_event(LOG_INFO, "backend_draining", pairs, "%s drains: it gets no more requests", name);
    else
        log_event(LOG_INFO, "backend_undrained", pairs, "%s gets requests again", name);
    return true;
}

void steering_set_weight(struct segment *segment, uint32_t slot, const char *name,
                         uint32_t in_script, uint32_t weight)
{
    char before[LOG_NUMBER_BYTES];

    if (!segment_has_slot(segment, slot) || weight > WEIGHT_MAX)
        return;
    log_number(before, weight_of(segment, slot, in_script));
    if (!steer_weigh_by_script(segment, slot, in_script, weight))
        return;
    changes_note(segment, slot, before, LOG_NUMBER(weight), "script", "weight");
    log_event(
        LOG_INFO, "backend_weight", LOG_PAIRS({"backend", name}, {"#weight", LOG_NUMBER(weight)}),
        "%s has weight %u now%s", name, weight, weight == 0 ? ": it gets no new requests" : "");
}

/* An enum backend_standing. */
uint32_t steering_state(const struct segment *segment, uint32_t slot)
{
    if (!segment_has_slot(segment, slot))
        return STANDING_DOWN;
    return standing_of(segment, slot, clock_steady_ms());
}

/* Seconds. */
double steering_since(const struct segment *segment, uint32_t slot)
{
    uint64_t now_ms = clock_steady_ms(), since_ms;

    if (!segment_has_slot(segment, slot))
        return 0;
    since_ms = standing_since_ms(segment, slot, now_ms);
    return now_ms > since_ms ? (double)(now_ms - since_ms) / 1000 : 0;
}

uint32_t steering_weight(const struct segment *segment, uint32_t slot, uint32_t in_script)
{
    return segment_has_slot(segment, slot) ? weight_of(segment, slot, in_script) : in_script;
}
