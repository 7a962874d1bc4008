#include "reload/roll.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "shared/backend_numbers.h"
#include "shared/backend_standing.h"
#include "shared/board.h"
#include "shared/changes.h"
#include "shared/steer.h"
#include "shared/wake.h"

#include <string.h>

enum { AGAIN_MS = 200 };

/* What the monitor wants, with slots. */
struct batch {
    struct roster_head head;
    struct roster_entry *entries;
    uint64_t identities[2 * SEGMENT_BACKENDS_MAX]; /* of what was told before behind them */
    uint16_t slots[2 * SEGMENT_BACKENDS_MAX];
};

static void make_room(struct roll *roll)
{
    if (roll->list != NULL)
        return;
    roll->list = mem_zalloc(sizeof *roll->list);
    roll->identities = mem_zalloc(SEGMENT_BACKENDS_MAX * sizeof *roll->identities);
}

void roll_begin(struct roll *roll)
{
    uint64_t number = roster_listed(roll->segment);

    roll->wanted = roster_wanted(roll->segment); /* by a monitor of the program before */
    if (number == 0)
        return;
    make_room(roll);
    if (!roster_read_list(roll->segment, number, roll->list))
        roll->list->head.count = 0;
    for (unsigned i = 0; i < roll->list->head.count; i++) {
        unsigned slot = roll->list->slots[i];

        roll->identities[i] = roll->slots->identity[slot];
        roll->slots->is_left[slot] = roll->slots->identity[slot] == 0;
    }
}

void roll_dispose(struct roll *roll)
{
    mem_free(roll->list);
    mem_free(roll->identities);
}

/* --- whose it is --- */

/* Its sources are those of the script that runs, or of the one that is loaded. */
static bool may_take(const struct roll *roll, const struct roster_head *head)
{
    const struct edition *e = roll->edition;

    if (head->edition == roll->refused)
        return false;
    return roll->is_loading ? head->edition == atomic_load(&e->offered)
                            : head->edition <= atomic_load(&e->current);
}

/* --- slots --- */

static unsigned add_text(const struct edition_text *text, const struct roll *roll, struct batch *b,
                         unsigned count)
{
    bool is_inherited = text->is_first && text->backends == 0; /* it was too large to be kept */
    unsigned own = is_inherited ? roll->first->backends_count : text->backends;

    for (unsigned i = 0; i < own; i++, count++) {
        const struct config_backend *first = is_inherited ? &roll->first->backends[i] : NULL;

        b->slots[count] = first != NULL ? (uint16_t)first->slot : text->slots[i];
        b->identities[count] =
            first != NULL ? slots_identity(first->name, first->written) : text->identities[i];
    }
    return count;
}

static unsigned add_list(const struct roll *roll, struct batch *b, unsigned count)
{
    for (unsigned i = 0; roll->list != NULL && i < roll->list->head.count; i++) {
        b->identities[count] = roll->identities[i];
        b->slots[count++] = roll->list->slots[i];
    }
    return count;
}

/* All that are in use as scripts and lists say are known to be. */
void roll_mark_slots(struct roll *roll)
{
    struct batch *b = mem_zalloc(sizeof *b);
    const struct edition *e = roll->edition;
    uint64_t current = atomic_load(&e->current), offered = atomic_load(&e->offered);
    unsigned count = add_text(&e->texts[current % 2], roll, b, 0);

    if (offered != current && count + e->texts[offered % 2].backends <= 2 * SEGMENT_BACKENDS_MAX)
        count = add_text(&e->texts[offered % 2], roll, b, count);
    if (count + SEGMENT_BACKENDS_MAX <= 2 * SEGMENT_BACKENDS_MAX)
        count = add_list(roll, b, count);
    slots_follow(roll->slots, b->identities, b->slots, count);
    mem_free(b);
}

/* Who held one by an older script or list has let it go. */
void roll_give_slots_back(struct roll *roll)
{
    for (unsigned i = 0; i < SEGMENT_BACKENDS_MAX; i++)
        if (slots_is_left(roll->slots, i) && !numbers_are_held(roll->segment, i))
            slots_give_back(roll->slots, i);
}

/* A backend that was removed and comes back has its slot still, and its numbers; its state is as
 * unknown as that of a new backend. */
void roll_open_slot(struct roll *roll, unsigned slot)
{
    standing_clear(roll->segment, slot);
    steer_clear(roll->segment, slot);
    changes_clear(roll->segment, slot);
    if (roll->slots->identity[slot] == 0)
        numbers_clear(roll->segment, slot);
    board_open_slot(roll->segment, slot);
}

static void leave_slots(struct roll *roll)
{
    for (unsigned i = 0; i < SEGMENT_BACKENDS_MAX; i++)
        if (!slots_has(roll->slots, i) && segment_slot_is_used(roll->segment, i))
            board_leave_slot(roll->segment, i);
}

/* --- the list --- */

static bool was_told(const struct roll *roll, uint16_t slot)
{
    for (unsigned i = 0; i < roll->list->head.count; i++)
        if (roll->list->slots[i] == slot)
            return true;
    return false;
}

static void put_entry(struct roll *roll, unsigned slot, const struct roster_entry *entry)
{
    uint64_t now_ms = clock_steady_ms();

    if (!slots_has(roll->slots, slot))
        roll_open_slot(roll, slot);
    roster_put(roll->segment, slot, entry);
    if (!steer_drain_by_list(roll->segment, slot, entry->drains != 0, now_ms))
        return;
    changes_note(roll->segment, slot, entry->drains != 0 ? "up" : "draining",
                 entry->drains != 0 ? "draining" : "up", "list", "");
    log_event(LOG_INFO, entry->drains != 0 ? "backend_draining" : "backend_undrained",
              LOG_PAIRS({"backend", entry->name}), "%s %s, says its source", entry->name,
              entry->drains != 0 ? "drains: it gets no more requests" : "gets requests again");
}

/* Behind the new ones: those that only the script before has. */
static void keep_earlier(struct roster_list *next, uint64_t *identities, const struct roll *roll)
{
    const struct roster_list *old = roll->list;
    bool *has = mem_zalloc(SEGMENT_BACKENDS_MAX * sizeof *has);

    for (unsigned i = 0; i < next->head.count; i++)
        has[next->slots[i]] = true;
    for (unsigned i = 0; i < old->head.count && next->head.count < SEGMENT_BACKENDS_MAX; i++) {
        unsigned to = next->head.count;

        if (has[old->slots[i]])
            continue;
        next->slots[to] = old->slots[i];
        next->of[to] = ROSTER_OF_EARLIER;
        identities[to] = roll->identities[i];
        next->head.count++;
    }
    mem_free(has);
}

static void tell(struct roll *roll)
{
    roll_mark_slots(roll);
    leave_slots(roll);
    roster_publish(roll->segment, roll->list);
    wake_call(roll->segment->look_fd);
    for (unsigned i = 0; i < roll->segment->wakes; i++)
        wake_worker(roll->segment, i);
}

static void take_batch(struct roll *roll, const struct batch *b)
{
    struct roster_list *next = mem_zalloc(sizeof *next);
    uint64_t *identities = mem_zalloc(SEGMENT_BACKENDS_MAX * sizeof *identities);
    bool is_of_two = roll->is_loading;

    next->head = b->head;
    next->wanted = roll->wanted;
    for (unsigned i = 0; i < b->head.count; i++) {
        next->slots[i] = b->slots[i];
        identities[i] = b->identities[i];
        next->of[i] = ROSTER_OF_EDITION;
        if (!is_of_two || was_told(roll, b->slots[i]))
            next->of[i] |= ROSTER_OF_EARLIER;
        put_entry(roll, b->slots[i], &b->entries[i]);
    }
    if (is_of_two)
        keep_earlier(next, identities, roll);
    mem_free(roll->list);
    mem_free(roll->identities);
    roll->list = next;
    roll->identities = identities;
    roll->is_of_two = is_of_two;
    tell(roll);
}

static void take_wanted(struct roll *roll, uint64_t number, struct batch *b)
{
    bool is_whole = roster_read_wanted(roll->segment, number, &b->head, b->entries);

    roll->again_ms = clock_steady_ms() + AGAIN_MS;
    if (!is_whole || b->head.count > SEGMENT_BACKENDS_MAX || !may_take(roll, &b->head))
        return;
    for (unsigned i = 0; i < b->head.count; i++)
        b->identities[i] = slots_identity(b->entries[i].name, b->entries[i].address);
    roll_mark_slots(roll);
    roll_give_slots_back(roll);
    if (!slots_find(roll->slots, b->identities, b->head.count, b->slots)) {
        static struct log_interval told;

        if (log_interval_count(&told, clock_steady_ms(), 60 * 1000) > 0)
            log_event(LOG_WARN, "discovery_full", NULL,
                      "too many removed backends are still in use: what sources have found waits");
        return;
    }
    roll->wanted = number;
    take_batch(roll, b);
}

void roll_step(struct roll *roll, enum roll_time time)
{
    uint64_t number = roster_wanted(roll->segment);
    struct batch *b;

    if (number == 0 || number == roll->wanted || time == ROLL_WAITS ||
        clock_steady_ms() < (roll->tried == number ? roll->again_ms : 0))
        return;
    roll->tried = number;
    roll->is_loading = time == ROLL_LOADING;
    make_room(roll);
    b = mem_alloc(sizeof *b);
    b->entries = mem_alloc(SEGMENT_BACKENDS_MAX * sizeof *b->entries);
    take_wanted(roll, number, b);
    mem_free(b->entries);
    mem_free(b);
}

uint64_t roll_next_ms(const struct roll *roll, enum roll_time time)
{
    uint64_t number = roster_wanted(roll->segment);

    return number == 0 || number == roll->wanted || time == ROLL_WAITS ? UINT64_MAX
                                                                       : roll->again_ms;
}

/* --- another script --- */

static bool is_of(const struct roll *roll, unsigned i)
{
    return (roll->list->of[i] & ROSTER_OF_EDITION) != 0;
}

void roll_settle(struct roll *roll)
{
    unsigned count = 0;

    if (!roll->is_of_two)
        return;
    roll->is_of_two = false;
    for (unsigned i = 0; i < roll->list->head.count; i++) {
        if (!is_of(roll, i))
            continue;
        roll->list->slots[count] = roll->list->slots[i];
        roll->identities[count] = roll->identities[i];
        roll->list->of[count++] = ROSTER_OF_EDITION | ROSTER_OF_EARLIER;
    }
    roll->list->head.count = count;
    tell(roll);
}

void roll_take_back(struct roll *roll)
{
    roll->refused = atomic_load(&roll->edition->current);
    if (!roll->is_of_two)
        return;
    roll->is_of_two = false;
    for (unsigned i = 0; i < roll->list->head.count; i++)
        roll->list->of[i] = ROSTER_OF_EDITION | ROSTER_OF_EARLIER;
    tell(roll);
}
