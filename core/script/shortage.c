#include "script/shortage.h"

#include "lua/sandbox.h"

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

    if (!is_short(s) || (s->collect(s) && !is_short(s)))
        return;
    largest = largest_holder(s->all);
    if (largest == NULL)
        return;
    s->refused_bytes = refused_bytes(s) + largest->held_bytes;
    s->refused_cycle = s->all->heap->cycles;
    loop_defer(s->all->loop, deferred);
    s->end(largest);
}

void shortage_init(struct shortage *s, struct coroutines *all, bool (*collect)(struct shortage *),
                   void (*end)(struct coroutine *))
{
    *s = (struct shortage){.all = all, .collect = collect, .end = end};
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
