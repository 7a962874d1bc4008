#include "script/shortage.h"

#include "base/clock.h"
#include "lua/sandbox.h"

enum {
    COLLECT_SHARE = 20,     /* one part in so many of the time, for collections of all, */
    COLLECT_US_MAX = 200000 /* and what can be saved up */
};

static uint64_t refused_bytes(const struct shortage *s)
{
    return s->refused_cycle == s->all->heap->cycles ? s->refused_bytes : 0;
}

/* Rather than the script itself. */
static bool is_with_calls(const struct shortage *s)
{
    return s->all->held_bytes > s->all->memory_bytes / 4;
}

static bool is_short(const struct shortage *s)
{
    uint64_t most = sandbox_short_bytes(s->all->memory_bytes);

    return s->all->heap->used_bytes > most + refused_bytes(s) && is_with_calls(s);
}

bool shortage_is_of_others(const struct shortage *s, const struct coroutine *co)
{
    return is_with_calls(s) && co->held_bytes < s->all->held_bytes;
}

void shortage_note_pause(struct shortage *s, uint64_t took_us)
{
    if (took_us > s->longest_pause_us)
        s->longest_pause_us = took_us;
}

/* LuaJIT collects nothing in an emergency: garbage counts until a collection. That takes as long as
 * there is live data, so a script that has too much of it gets only a share of the time for them;
 * the others find their garbage gone in the next call. */
bool shortage_collect(struct shortage *s)
{
    uint64_t begun_us = clock_steady_us(), took_us;
    uint64_t earned_us = (begun_us - s->collected_us) / COLLECT_SHARE;

    s->collect_us += earned_us < COLLECT_US_MAX ? (int64_t)earned_us : COLLECT_US_MAX;
    if (s->collect_us > COLLECT_US_MAX)
        s->collect_us = COLLECT_US_MAX;
    s->collected_us = begun_us;
    if (s->collect_us <= 0)
        return false;
    took_us = sandbox_collect(s->all->lua); /* CPU time: on a busy machine it is no more */
    s->collect_us -= (int64_t)took_us;
    shortage_note_pause(s, took_us);
    s->collected_us = clock_steady_us();
    return true;
}

static struct coroutine *largest_holder(struct coroutines *all)
{
    struct coroutine *largest = NULL;

    for (struct list_node *node = all->waiting.next; node != &all->waiting; node = node->next) {
        struct coroutine *co = list_entry(node, struct coroutine, node);

        if (largest == NULL || co->held_bytes > largest->held_bytes)
            largest = co;
    }
    return largest;
}

/* One at a time: its end may be that of the script, too. What it held is garbage then. */
static void on_shortage(struct deferred *deferred)
{
    struct shortage *s = list_entry(deferred, struct shortage, deferred);
    struct coroutine *largest;

    if (!is_short(s) || (shortage_collect(s) && !is_short(s)))
        return;
    largest = largest_holder(s->all);
    if (largest == NULL)
        return;
    s->refused_bytes = refused_bytes(s) + largest->held_bytes;
    s->refused_cycle = s->all->heap->cycles;
    loop_defer(s->all->loop, deferred);
    s->all->end_waiting(largest, BREACH_NO_MEMORY);
}

void shortage_init(struct shortage *s, struct coroutines *all)
{
    *s = (struct shortage){.all = all};
    deferred_init(&s->deferred, on_shortage);
}

void shortage_look(struct shortage *s)
{
    if (s->all->loop != NULL && is_short(s))
        loop_defer(s->all->loop, &s->deferred);
}

void shortage_dispose(struct shortage *s)
{
    deferred_cancel(&s->deferred);
}
