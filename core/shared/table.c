/*
 * A bucket is one word: a tag, and the first cell of a chain.
 *
 *   buckets[hash] ---> cell ---> cell ---> 0        [ tag: 40 | cell + 1: 24 ]
 *
 * Cells that are in a chain never change. A change takes free cells, writes into
 * them what the chain is to become (what lies behind the changed part is shared
 * with the old chain), and puts the new chain in place of the old one by a
 * compare-and-swap of the bucket, which raises the tag. Then the cells that are in
 * no chain any more are given back. So:
 *
 * - Of two changes of one bucket the second one's swap fails, and it begins again
 *   with what the first one left. No change is lost, and no key is there twice.
 * - A reader takes the word, reads the chain, and looks whether the word is the
 *   same still. Tags never come again, so if it is, the chain was whole all the
 *   while; if not, it may have read cells that were already used for something
 *   else (never beyond the arrays), and reads again.
 *
 * Each cell has a state:  [ version: 40 | pid: 22 | kind: 2 ]
 *
 *   FREE --claim--> OWNED by a process --live--> LIVE --release--> FREE
 *                        ^ the swap comes here
 *
 * Each claim raises the version, and each other step is a compare-and-swap from
 * the version that was seen, so a late one does nothing to the cell's next life.
 *
 * A process may be killed anywhere:
 *
 * - before the swap, its cells are OWNED, by a pid that is gone, and in no chain;
 * - between the swap and "live", they are OWNED and in their chain: complete;
 * - between the swap and "release", the old ones are LIVE (or OWNED and soon LIVE,
 *   or OWNED by a pid that is gone) and in no chain, and never will be in this version.
 *
 * cell_tidy finds all three, from the state and the chain of the cell's bucket, and
 * gives back what is in no chain. Any process may do that at any time; every new key
 * has it look at some cells, and at all of them once there is no free one. (A pid that was
 * given to another process meanwhile only makes it wait until that one ends.) Nothing
 * waits for a process that is stopped: its few cells are its own until it continues.
 *
 * All words are atomic and relaxed; order comes from the swaps (release) and the
 * first look at a bucket (acquire), and between reading cells and looking at the
 * bucket again, as in a seqlock, from the fences in view_is_whole and cell_claim.
 */
#include "shared/table.h"

#include "base/clock.h"
#include "base/random.h"
#include "shared/victim.h"

#include <sys/random.h>

enum {
    CHAIN_MAX = 16,
    TIDY_STEPS = 4, /* cells looked at for each new key */
    DROP_TRIES = 4, /* as others may take the room that was made */
    CLAIM_TRIES = 32,
    SEARCH_EVERY_MS = 500,
};

static const uint64_t CELL_MASK = (1u << 24) - 1;

#define RELAXED memory_order_relaxed

/* --- a chain, as it was seen --- */

struct view {
    uint32_t bucket;
    uint64_t word;
    unsigned count;
    struct cell_claimed cells[CHAIN_MAX];
};

static bool view_is_whole(const struct table *t, const struct view *view)
{
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&t->buckets[view->bucket], RELAXED) == view->word;
}

static bool view_try(const struct table *t, struct view *view)
{
    uint64_t next;

    view->word = atomic_load_explicit(&t->buckets[view->bucket], memory_order_acquire);
    view->count = 0;
    for (next = view->word & CELL_MASK; next != 0 && view->count < CHAIN_MAX;) {
        uint32_t cell = (uint32_t)next - 1;

        view->cells[view->count++] = (struct cell_claimed){
            cell, cell_version(atomic_load_explicit(&t->states[cell], RELAXED))};
        next = atomic_load_explicit(&t->cells[cell].link, RELAXED) & CELL_MASK;
    }
    return next == 0 && view_is_whole(t, view);
}

static void view_take(const struct table *t, uint32_t bucket, struct view *view)
{
    view->bucket = bucket;
    while (!view_try(t, view))
        ;
}

/* Where in the view the key is, or -1. To be trusted if the view is whole afterwards. */
static int view_find(const struct table *t, const struct view *view, const struct cell_key *key)
{
    for (unsigned i = 0; i < view->count; i++)
        if (cell_is_of(t, view->cells[i].cell, key))
            return (int)i;
    return -1;
}

/* --- free cells --- */

static void bucket_drop(struct table *t, uint32_t bucket, const struct cell_claimed *victim);

/* Gives back what nobody uses; see at the top. */
static void cell_tidy(struct table *t, uint32_t cell, uint64_t now_ms)
{
    uint64_t state = atomic_load(&t->states[cell]);
    struct cell_claimed claimed = {cell, cell_version(state)};
    uint32_t bucket = (uint32_t)(atomic_load_explicit(&t->cells[cell].link, RELAXED) >> 32);
    struct view view;
    bool is_in_chain = false;

    if (cell_kind(state) == CELL_FREE || bucket >= TABLE_BUCKETS ||
        (cell_kind(state) == CELL_OWNED && !cell_owner_is_gone(state)))
        return;
    view_take(t, bucket, &view);
    for (unsigned i = 0; i < view.count; i++)
        is_in_chain = is_in_chain || view.cells[i].cell == cell;
    if (!is_in_chain) {
        cell_release(t, claimed);
        return;
    }
    if (cell_kind(state) == CELL_OWNED)
        cell_live(t, claimed);
    if (cell_has_expired(t, cell, now_ms))
        bucket_drop(t, bucket, NULL);
}

/* The same for what may be worth it: a value that has expired, a change that was begun. What was
 * left over by a process that is gone is found by cell_tidy only, at ten times the price. */
static void cell_glance(struct table *t, uint32_t cell, uint64_t now_ms)
{
    enum cell_kind kind = cell_kind(atomic_load_explicit(&t->states[cell], RELAXED));

    if (kind == CELL_OWNED || (kind == CELL_LIVE && cell_has_expired(t, cell, now_ms)))
        cell_tidy(t, cell, now_ms);
}

typedef void cell_look(struct table *, uint32_t cell, uint64_t now_ms);

/* At all cells, which are then counted. Cells that belong to a change count as keys. */
static uint32_t look_through(struct table *t, cell_look *look)
{
    uint64_t now_ms = clock_steady_ms();
    uint32_t high = cells_ever_used(t), count = 0;

    for (uint32_t cell = 0; cell < high; cell++) {
        look(t, cell, now_ms);
        count += cell_kind(atomic_load_explicit(&t->states[cell], RELAXED)) != CELL_FREE;
    }
    atomic_store(&t->used, count);
    return count;
}

uint32_t table_count(struct table *t)
{
    return look_through(t, cell_tidy);
}

/* All cells, unless somebody has just done it: every worker's calls wait for that, and nobody
 * should be able to slow them by using up the keys. */
static void table_search(struct table *t, cell_look *look)
{
    uint64_t now_ms = clock_steady_ms(), last_ms = atomic_load(&t->searched_ms);

    if ((last_ms == 0 || now_ms >= last_ms + SEARCH_EVERY_MS) &&
        atomic_compare_exchange_strong(&t->searched_ms, &last_ms, now_ms))
        look_through(t, look);
}

static bool claim_fresh(struct table *t, struct cell_claimed *claimed)
{
    while (cells_ever_used(t) < TABLE_CELLS) {
        uint32_t cell = atomic_fetch_add(&t->high, 1);

        if (cell < TABLE_CELLS && cell_claim(t, cell, claimed))
            return true;
    }
    return false;
}

static bool claim_somewhere(struct table *t, struct cell_claimed *claimed, unsigned tries)
{
    uint32_t high = cells_ever_used(t);

    for (unsigned i = 0; i < tries && high > 0; i++)
        if (cell_claim(t, random_below(high), claimed))
            return true;
    return false;
}

static bool claim_any(struct table *t, struct cell_claimed *claimed)
{
    for (uint32_t cell = 0; cell < cells_ever_used(t); cell++)
        if (cell_claim(t, cell, claimed))
            return true;
    return false;
}

/* Keys are refused before all cells are taken, so there is a free one, unless very many
 * processes were killed. */
static bool table_claim(struct table *t, bool may_tidy, struct cell_claimed *claimed)
{
    if (cells_claim_hinted(t, claimed) || claim_somewhere(t, claimed, 2) ||
        claim_fresh(t, claimed) || claim_somewhere(t, claimed, CLAIM_TRIES) ||
        claim_any(t, claimed))
        return true;
    if (!may_tidy)
        return false;
    table_search(t, cell_tidy);
    return cells_claim_hinted(t, claimed) || claim_any(t, claimed);
}

/* --- a change --- */

struct change {
    struct table *table;
    struct view view;
    struct cell_key key;
    bool is_tidying; /* so it does not tidy for the sake of it */
    bool has_value;  /* the key is to be in the new chain, with this: */
    struct table_value *value;
    /* Of the view, see change_plan: which cells do not stay, how many do, and from where on
     * all do, so that the new chain shares them. */
    bool goes[CHAIN_MAX];
    unsigned staying, shared_from;
    struct cell_claimed owned[CHAIN_MAX + 1]; /* taken for it, some in an earlier try */
    unsigned owned_count, owned_used;
};

static bool change_cell(struct change *c, uint32_t *cell)
{
    if (c->owned_used == c->owned_count) {
        if (!table_claim(c->table, !c->is_tidying, &c->owned[c->owned_count]))
            return false;
        c->owned_count++;
    }
    *cell = c->owned[c->owned_used++].cell;
    return true;
}

/* found: the key's place, or -1. */
static void change_plan(struct change *c, int found, uint64_t now_ms)
{
    const struct view *view = &c->view;

    c->staying = c->shared_from = 0;
    for (unsigned i = 0; i < view->count; i++) {
        c->goes[i] = (int)i == found || cell_has_expired(c->table, view->cells[i].cell, now_ms);
        c->staying += !c->goes[i];
        if (c->goes[i])
            c->shared_from = i + 1;
    }
}

/* The new chain: the value, copies of what stays and lies before something that goes, and the
 * rest of the old chain as it is. *first is its first cell + 1. False: there is no cell left. */
static bool change_build(struct change *c, uint32_t *first)
{
    const struct view *view = &c->view;
    uint32_t next = c->shared_from < view->count ? view->cells[c->shared_from].cell + 1 : 0, cell;

    c->owned_used = 0;
    for (unsigned i = c->shared_from; i-- > 0;) {
        if (c->goes[i])
            continue;
        if (!change_cell(c, &cell))
            return false;
        cell_copy(c->table, cell, view->cells[i].cell);
        cell_link(c->table, cell, view->bucket, next);
        next = cell + 1;
    }
    if (c->has_value) {
        if (!change_cell(c, &cell))
            return false;
        cell_fill(c->table, cell, &c->key, c->value);
        cell_link(c->table, cell, view->bucket, next);
        next = cell + 1;
    }
    *first = next;
    return true;
}

enum swap { SWAPPED, SWAP_AGAIN, SWAP_FULL, SWAP_UNWANTED };

static enum swap change_swap(struct change *c, int found, uint64_t now_ms)
{
    struct table *t = c->table;
    struct view *view = &c->view;
    uint64_t expected = view->word;
    uint32_t first;

    change_plan(c, found, now_ms);
    if (!c->has_value && c->shared_from == 0)
        return SWAP_UNWANTED; /* nothing to remove */
    if (c->staying + c->has_value > CHAIN_MAX || !change_build(c, &first))
        return SWAP_FULL;
    if (!atomic_compare_exchange_strong(&t->buckets[view->bucket], &expected,
                                        ((view->word >> 24) + 1) << 24 | first))
        return SWAP_AGAIN;
    for (unsigned i = 0; i < c->owned_used; i++)
        cell_live(t, c->owned[i]);
    for (unsigned i = 0; i < c->shared_from; i++)
        cell_release(t, view->cells[i]);
    atomic_fetch_add_explicit(&t->used, c->staying + c->has_value - view->count, RELAXED);
    return SWAPPED;
}

/* What was taken and is in no chain. */
static void change_end(struct change *c, bool is_swapped)
{
    for (unsigned i = is_swapped ? c->owned_used : 0; i < c->owned_count; i++)
        cell_release(c->table, c->owned[i]);
}

/* What has expired there, and the victim; NULL: there is none. */
static void bucket_drop(struct table *t, uint32_t bucket, const struct cell_claimed *victim)
{
    struct change c = {.table = t, .is_tidying = true};
    uint64_t now_ms = clock_steady_ms();
    int found = -1;
    enum swap swap;

    view_take(t, bucket, &c.view);
    for (unsigned i = 0; victim != NULL && i < c.view.count; i++)
        if (c.view.cells[i].cell == victim->cell && c.view.cells[i].version == victim->version)
            found = (int)i;
    swap = change_swap(&c, found, now_ms); /* another one's change tidies, too, or the next round */
    change_end(&c, swap == SWAPPED);
}

/* --- from outside --- */

static uint64_t seed_of(struct table *t)
{
    uint64_t seed = atomic_load_explicit(&t->seed, RELAXED), made;

    if (seed != 0)
        return seed;
    if (getrandom(&made, sizeof made, GRND_NONBLOCK) != sizeof made)
        made = clock_wall_us() * 0x9e3779b97f4a7c15u;
    made |= 1;
    return atomic_compare_exchange_strong(&t->seed, &seed, made) ? made : seed;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)(a ^ 0xa0761d6478bd642fu) * (b ^ 0xe7037ed1a0b428dbu);

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_of(struct table *t, struct slice key)
{
    uint64_t seed = seed_of(t), hash = mix(seed, key.length);

    for (size_t i = 0; i < key.length; i += 8) {
        uint64_t word = 0;

        memcpy(&word, key.start + i, key.length - i < 8 ? key.length - i : 8);
        hash = mix(hash ^ word, seed);
    }
    return hash;
}

static uint32_t bucket_of(uint64_t hash)
{
    return (uint32_t)(hash % TABLE_BUCKETS);
}

bool table_read(struct table *t, struct slice bytes, struct table_value *out)
{
    struct cell_key key = {.hash = hash_of(t, bytes), .bytes = bytes};
    uint64_t now_ms = clock_steady_ms();
    struct view view;
    int found;

    CHECK(bytes.length > 0 && bytes.length <= TABLE_KEY_BYTES_MAX);
    do {
        view_take(t, bucket_of(key.hash), &view);
        found = view_find(t, &view, &key);
        if (found >= 0)
            cell_value(t, view.cells[found].cell, out);
    } while (!view_is_whole(t, &view));
    return found >= 0 && (out->expires_ms == 0 || out->expires_ms > now_ms);
}

static bool is_full(const struct table *t)
{
    return (int32_t)atomic_load_explicit(&t->used, RELAXED) >= TABLE_KEYS_MAX;
}

static bool has_room_for_new_key(struct table *t, uint16_t group)
{
    uint32_t next = atomic_fetch_add_explicit(&t->hand, TIDY_STEPS, RELAXED);
    uint32_t high = cells_ever_used(t);
    uint64_t now_ms = clock_steady_ms();
    struct victim victim;

    for (uint32_t i = 0; i < TIDY_STEPS && high > 0; i++)
        cell_tidy(t, (next + i) % high, now_ms);
    for (unsigned i = 0; i < DROP_TRIES && is_full(t) && victim_find(t, group, &victim); i++)
        bucket_drop(t, victim.bucket, &victim.cell);
    if (is_full(t))
        table_search(t, cell_glance);
    return !is_full(t);
}

static enum swap update_try(struct change *c, table_change *decide, void *data, bool *may_add)
{
    struct table *t = c->table;
    uint64_t now_ms = clock_steady_ms();
    enum table_decision decision;
    struct table_value old;
    bool has_old;
    int found;

    view_take(t, bucket_of(c->key.hash), &c->view);
    found = view_find(t, &c->view, &c->key);
    if (found >= 0)
        cell_value(t, c->view.cells[found].cell, &old);
    if (!view_is_whole(t, &c->view))
        return SWAP_AGAIN;
    has_old = found >= 0 && (old.expires_ms == 0 || old.expires_ms > now_ms);
    c->value->is_kept = c->value->is_sum = 0;
    decision = decide(data, has_old ? &old : NULL, c->value);
    if (decision == TABLE_KEEP)
        return SWAP_UNWANTED;
    c->has_value = decision == TABLE_REPLACE;
    if (!c->has_value || found >= 0 || *may_add)
        return change_swap(c, found, now_ms);
    if (!has_room_for_new_key(t, c->key.group))
        return SWAP_FULL;
    *may_add = true;
    return SWAP_AGAIN; /* making room may have changed this very chain */
}

enum table_outcome table_update(struct table *t, struct slice key, uint16_t group,
                                table_change *decide, void *data)
{
    struct table_value now;
    struct change c = {
        .table = t, .key = {.hash = hash_of(t, key), .bytes = key, .group = group}, .value = &now};
    bool may_add = false;
    enum swap swap;

    CHECK(key.length > 0 && key.length <= TABLE_KEY_BYTES_MAX);
    do
        swap = update_try(&c, decide, data, &may_add);
    while (swap == SWAP_AGAIN);
    change_end(&c, swap == SWAPPED);
    return swap == SWAP_FULL ? TABLE_FULL : TABLE_DONE;
}
