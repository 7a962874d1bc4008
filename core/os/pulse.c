#include "os/pulse.h"

#include "base/check.h"
#include "base/mem.h"

void pulse_init(struct pulse *p, unsigned count, uint64_t now_ms)
{
    *p = (struct pulse){.count = count, .looked_ms = now_ms};
    p->list = mem_zalloc(count * sizeof *p->list);
    for (unsigned i = 0; i < count; i++)
        pulse_begin(p, i, now_ms);
}

void pulse_dispose(struct pulse *p)
{
    mem_free(p->list);
    *p = (struct pulse){0};
}

void pulse_begin(struct pulse *p, unsigned which, uint64_t now_ms)
{
    CHECK(which < p->count);
    p->list[which].changed_ms = now_ms;
    p->list[which].waited_ms = 0;
}

bool pulse_is_due(struct pulse *p, uint64_t now_ms)
{
    uint64_t since_ms = now_ms - p->looked_ms;

    if (since_ms < PULSE_LOOK_MS)
        return false;
    p->looked_ms = now_ms;
    if (since_ms > PULSE_LATE_MS)
        for (unsigned i = 0; i < p->count; i++)
            pulse_begin(p, i, now_ms);
    return true;
}

uint64_t pulse_still_ms(struct pulse *p, unsigned which, uint64_t events, uint64_t now_ms)
{
    struct pulse_child *child = &p->list[which];

    CHECK(which < p->count);
    if (child->events != events)
        *child = (struct pulse_child){.events = events, .changed_ms = now_ms};
    return now_ms - child->changed_ms;
}

uint64_t pulse_own_still_ms(struct pulse *p, unsigned which, uint64_t still_ms, uint64_t waited_ms)
{
    struct pulse_child *child = &p->list[which];
    uint64_t others_ms;

    CHECK(which < p->count);
    if (child->waited_ms == 0 || waited_ms < child->waited_ms) /* it could not be read just now */
        child->waited_ms = waited_ms;
    others_ms = waited_ms - child->waited_ms;
    return still_ms > others_ms ? still_ms - others_ms : 0;
}

uint64_t pulse_changed_ms(const struct pulse *p, unsigned which)
{
    CHECK(which < p->count);
    return p->list[which].changed_ms;
}
