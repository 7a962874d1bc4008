#include "proxy/choice.h"

void choice_init(struct choice *c, struct backends *backends, struct arena *arena)
{
    *c = (struct choice){.backends = backends, .arena = arena};
}

static bool choice_has_tried(const struct choice *c, uint32_t backend)
{
    return c->tried != NULL && (c->tried[backend / 8] & 1u << backend % 8) != 0;
}

bool choice_note_tried(struct choice *c, uint32_t backend)
{
    if (choice_has_tried(c, backend))
        return false;
    if (c->tried == NULL)
        c->tried = arena_zalloc(c->arena, c->backends->count / 8 + 1);
    c->tried[backend / 8] |= (uint8_t)(1u << backend % 8);
    return true;
}

bool choice_note_claimed(struct choice *c, uint32_t backend)
{
    const struct backends *all = c->backends;
    uint64_t now_ms = loop_now_ms(all->loop);

    if (!choice_note_tried(c, backend))
        return false;
    for (uint32_t i = 0; all->is_need && i < all->count; i++)
        if (board_is_claimed(all->segment, all->list[i].settings->slot, now_ms))
            (void)choice_note_tried(c, i);
    return true;
}

struct facts_choice choice_list(struct choice *c)
{
    struct backends *all = c->backends;
    struct facts_choice list;
    uint32_t *rest;

    backends_refresh(all);
    list = (struct facts_choice){all->available, all->available_count, all->available_generation,
                                 all->is_panic || all->is_need};
    if (c->tried == NULL)
        return list;
    rest = arena_alloc(c->arena, all->available_count * sizeof *rest);
    list = (struct facts_choice){.backends = rest, .panic = list.panic};
    for (uint32_t i = 0; i < all->available_count; i++)
        if (!choice_has_tried(c, all->available[i]))
            rest[list.count++] = all->available[i];
    return list;
}
