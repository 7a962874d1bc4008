#include "policy/shortage.h"

#include "lua/sandbox.h"

static uint64_t refused_bytes(const struct script *script)
{
    return script->refused_cycle == script->heap->cycles ? script->refused_bytes : 0;
}

/* Rather than the script itself. */
static bool is_with_calls(const struct script *script)
{
    return script->coroutines.held_bytes > script->config->script_limits.memory / 4;
}

static bool is_short(const struct script *script)
{
    uint64_t most = sandbox_short_bytes(script->config->script_limits.memory);

    return script->heap->used_bytes > most + refused_bytes(script) && is_with_calls(script);
}

bool shortage_is_of_others(const struct script *script, const struct coroutine *co)
{
    return is_with_calls(script) && co->held_bytes < script->coroutines.held_bytes;
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
    struct script *script = list_entry(deferred, struct script, shortage);
    struct coroutine *largest;

    if (!is_short(script) || (script_collect(script) && !is_short(script)))
        return;
    largest = largest_holder(&script->coroutines);
    if (largest == NULL)
        return;
    script->refused_bytes = refused_bytes(script) + largest->held_bytes;
    script->refused_cycle = script->heap->cycles;
    loop_defer(script->coroutines.loop, deferred);
    script_end_waiting(largest, BREACH_NO_MEMORY);
}

void shortage_init(struct script *script)
{
    deferred_init(&script->shortage, on_shortage);
}

void shortage_look(struct script *script)
{
    if (script->coroutines.loop != NULL && is_short(script))
        loop_defer(script->coroutines.loop, &script->shortage);
}

void shortage_dispose(struct script *script)
{
    deferred_cancel(&script->shortage);
}
