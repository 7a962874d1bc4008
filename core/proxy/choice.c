#include "proxy/choice.h"

static size_t choice_bytes(const struct choice *c)
{
    return c->backends->capacity / 8 + 1;
}

static bool has_bit(const uint8_t *bits, uint32_t backend)
{
    return bits != NULL && (bits[backend / 8] & 1u << backend % 8) != 0;
}

static void choice_set_bit(const struct choice *c, uint8_t **bits, uint32_t backend)
{
    if (*bits == NULL)
        *bits = arena_zalloc(c->arena, choice_bytes(c));
    (*bits)[backend / 8] |= (uint8_t)(1u << backend % 8);
}

bool choice_note_tried(struct choice *c, uint32_t backend)
{
    if (has_bit(c->tried, backend))
        return false;
    choice_set_bit(c, &c->tried, backend);
    return true;
}

bool choice_note_full(struct choice *c, uint32_t backend)
{
    if (!choice_note_tried(c, backend))
        return false;
    choice_set_bit(c, &c->full, backend);
    c->has_full = true;
    return true;
}

bool choice_was_full(const struct choice *c, uint32_t backend)
{
    return c->has_full && has_bit(c->full, backend);
}

void choice_forget_full(struct choice *c)
{
    struct backends *all = c->backends;

    if (!c->has_full)
        return;
    c->has_full = false;
    for (size_t i = 0; i < choice_bytes(c); i++)
        c->tried[i] &= (uint8_t)~c->full[i];
    backends_refresh(all);
    for (uint32_t i = 0; i < all->available_count; i++) {
        uint32_t backend = all->available[i];

        if (!has_bit(c->full, backend) || !backend_is_full(&all->list[backend]))
            continue;
        choice_set_bit(c, &c->tried, backend);
        c->has_full = true;
    }
    for (size_t i = 0; i < choice_bytes(c); i++)
        c->full[i] &= c->tried[i];
}

bool choice_note_claimed(struct choice *c, uint32_t backend)
{
    const struct backends *all = c->backends;
    uint64_t now_ms = loop_now_ms(all->loop);

    if (!choice_note_tried(c, backend))
        return false;
    for (uint32_t i = 0; all->is_need && i < all->available_count; i++) {
        uint32_t other = all->available[i];

        if (board_is_claimed(all->segment, all->list[other].settings->slot, now_ms))
            (void)choice_note_tried(c, other);
    }
    return true;
}

struct facts_choice choice_list(struct choice *c)
{
    struct backends *all = c->backends;
    struct facts_choice list;

    backends_refresh(all);
    list = (struct facts_choice){all->available, all->available_count, all->available_generation,
                                 all->is_panic || all->is_need};
    if (c->tried == NULL)
        return list;
    if (c->rest_room < all->available_count || c->rest == NULL) {
        c->rest_room = all->available_count;
        c->rest = arena_alloc(c->arena, c->rest_room * sizeof *c->rest);
    }
    list = (struct facts_choice){.backends = c->rest, .panic = list.panic};
    for (uint32_t i = 0; i < all->available_count; i++)
        if (!has_bit(c->tried, all->available[i]))
            c->rest[list.count++] = all->available[i];
    return list;
}
