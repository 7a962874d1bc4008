#include "health/pace.h"

#include "shared/evidence.h"

#include <stdlib.h>

enum {
    LOOKS = 4,
    BEAT_MS = 100, /* how often it is seen that time passes, and */
    LATE_MS = 100, /* how much too late that may be */
};

static const uint64_t look_pauses_ms[LOOKS] = {0, 50, 100, 200};

static bool is_overdue(const struct pace *p)
{
    return loop_now_ms(p->loop) > p->beat.at_ms + LATE_MS;
}

static void on_beat(struct deadline *d)
{
    struct pace *p = list_entry(d, struct pace, beat);

    p->was_late |= is_overdue(p);
    deadline_set(p->loop, &p->beat, BEAT_MS);
}

static void on_next(struct deadline *d)
{
    struct pace *p = list_entry(d, struct pace, next);

    if (p->looks_left == 0 && evidence_begin_look(p->segment, p->slot))
        p->looks_left = LOOKS; /* the process that asked died before it could wake us */
    p->is_in_row = p->looks_left > 0;
    p->looks_left -= p->is_in_row;
    p->began_ms = loop_now_ms(p->loop);
    p->was_late = false;
    deadline_set(p->loop, &p->beat, BEAT_MS);
    p->on_due(p);
}

void pace_init(struct pace *p, struct loop *loop, struct segment *segment, unsigned slot,
               uint64_t interval_ms, void (*on_due)(struct pace *))
{
    *p = (struct pace){.on_due = on_due,
                       .loop = loop,
                       .segment = segment,
                       .slot = slot,
                       .interval_ms = interval_ms};
    deadline_init(&p->next, on_next);
    deadline_init(&p->beat, on_beat);
    if (evidence_go_on_looking(segment, slot))
        p->looks_left = LOOKS;
    deadline_set(loop, &p->next, 0);
}

void pace_look(struct pace *p)
{
    if (!evidence_begin_look(p->segment, p->slot))
        return;
    p->looks_left = LOOKS;
    if (deadline_is_set(&p->next))
        deadline_set(p->loop, &p->next, look_pauses_ms[0]);
}

bool pace_is_late(const struct pace *p)
{
    return p->was_late || is_overdue(p);
}

bool pace_repeat(struct pace *p)
{
    if (p->was_repeated)
        return false;
    p->was_repeated = true;
    pace_restart(p);
    return true;
}

static uint64_t pace_until_next_ms(const struct pace *p)
{
    uint64_t interval_ms = p->interval_ms;
    uint64_t taken_ms = loop_now_ms(p->loop) - p->began_ms;
    uint64_t delay_ms = taken_ms < interval_ms ? interval_ms - taken_ms : 0;

    if (p->looks_left > 0)
        return look_pauses_ms[LOOKS - p->looks_left];
    if (p->ended == 1)
        delay_ms =
            arc4random_uniform(interval_ms < UINT32_MAX ? (uint32_t)interval_ms : UINT32_MAX);
    if (delay_ms < interval_ms / 4) /* a timeout longer than the interval: leave it some rest */
        delay_ms = interval_ms / 4;
    return delay_ms;
}

void pace_end(struct pace *p)
{
    deadline_clear(&p->beat);
    p->was_repeated = false;
    p->ended += p->ended < 2;
    if (p->is_in_row && p->looks_left == 0 && evidence_end_look(p->segment, p->slot))
        p->looks_left = LOOKS;
    deadline_set(p->loop, &p->next, pace_until_next_ms(p));
}

void pace_restart(struct pace *p)
{
    deadline_clear(&p->beat);
    p->looks_left += p->is_in_row;
    deadline_set(p->loop, &p->next, 0);
}

void pace_stop(struct pace *p)
{
    deadline_clear(&p->beat);
    deadline_clear(&p->next);
}
