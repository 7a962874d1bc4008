/*
 *   IDLE --begin--> AWAITING --whole, or failed--> OVER --rest--> IDLE
 *                    |    ^                         ^
 *                   hold  release                   |
 *                    v    |                         |
 *                     HELD -----------.             |
 *                    |                v             |
 *                    '--switch--> TUNNEL --failed---'
 *
 * What was closed is OVER.
 */
#include "upstream/outgoing.h"

#define OF(state) (1u << OUTGOING_##state)

const struct state_row outgoing_states[] = {
    [OUTGOING_IDLE] = {"idle", OF(AWAITING) | OF(OVER)},
    [OUTGOING_OVER] = {"over", OF(IDLE) | OF(OVER)},
    [OUTGOING_AWAITING] = {"awaiting", OF(HELD) | OF(TUNNEL) | OF(OVER)},
    [OUTGOING_HELD] = {"held", OF(AWAITING) | OF(TUNNEL) | OF(OVER)},
    [OUTGOING_TUNNEL] = {"tunnel", OF(OVER)},
};

static void on_late(struct deadline *d)
{
    struct outgoing *o = list_entry(d, struct outgoing, deadline);

    o->is_late = true;
    if (outgoing_is_live(o))
        o->events->on_late(o);
    else
        o->ways->close(o); /* idle for too long */
}

void outgoing_init(struct outgoing *o, const struct outgoing_ways *ways, struct loop *loop)
{
    o->ways = ways;
    o->loop = loop;
    deadline_init(&o->deadline, on_late);
}

void outgoing_begin(struct outgoing *o, const struct outgoing_events *events, void *owner,
                    const struct outgoing_request *request)
{
    outgoing_enter(o, OUTGOING_AWAITING);
    o->events = events;
    o->owner = owner;
    o->request = request;
    o->has_request = o->never_sent = o->is_late = false;
    o->pass_to = NULL;
    o->bytes_read = 0;
    o->ways->begin(o);
}

void outgoing_switch(struct outgoing *o, const struct outgoing_events *events, void *owner)
{
    bool was_held = o->state == OUTGOING_HELD;

    outgoing_enter(o, OUTGOING_TUNNEL);
    o->events = events;
    o->owner = owner;
    o->ways->switch_over(o, was_held);
}

void outgoing_hold(struct outgoing *o)
{
    outgoing_enter(o, OUTGOING_HELD);
    o->held = (struct slice){"", 0};
    o->ways->pause(o);
}

void outgoing_release(struct outgoing *o)
{
    outgoing_enter(o, OUTGOING_AWAITING);
    o->ways->release(o);
}
