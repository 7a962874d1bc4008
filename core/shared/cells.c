#include "shared/cells.h"

#include "base/check.h"
#include "shared/bytes.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

enum { HINTS = 16 };

static const uint64_t PID_MASK = (1u << 22) - 1;

#define RELAXED memory_order_relaxed

/* What this process remembers; guesses only, whatever table they are of. */
static struct {
    uint64_t pid;
    uint32_t hints[HINTS]; /* cells that it has given back, to be used again first */
    unsigned hints_count;
} here;

/* --- whose it is --- */

static void forget(void)
{
    memset(&here, 0, sizeof here);
}

/* A system call only once in each process. */
static uint64_t own_pid(void)
{
    static bool is_registered;

    if (here.pid == 0) {
        if (!is_registered)
            pthread_atfork(NULL, NULL, forget);
        is_registered = true;
        here.pid = (uint64_t)getpid() & PID_MASK;
    }
    return here.pid;
}

static uint64_t state_of(uint64_t version, uint64_t pid, enum cell_kind kind)
{
    return version << 24 | pid << 2 | kind;
}

uint64_t cell_version(uint64_t state)
{
    return state >> 24;
}

enum cell_kind cell_kind(uint64_t state)
{
    return (enum cell_kind)(state & 3);
}

bool cell_owner_is_gone(uint64_t state)
{
    pid_t pid = (pid_t)(state >> 2 & PID_MASK);

    return kill(pid, 0) != 0 && errno == ESRCH;
}

bool cell_claim(struct table *t, uint32_t cell, struct cell_claimed *claimed)
{
    uint64_t state = atomic_load_explicit(&t->states[cell], RELAXED);
    uint64_t version = cell_version(state) + 1;

    if (cell_kind(state) != CELL_FREE ||
        !atomic_compare_exchange_strong(&t->states[cell], &state,
                                        state_of(version, own_pid(), CELL_OWNED)))
        return false;
    atomic_thread_fence(memory_order_release); /* who sees what is written sees the swap, too */
    *claimed = (struct cell_claimed){cell, version};
    return true;
}

void cell_live(struct table *t, struct cell_claimed claimed)
{
    uint64_t state = atomic_load(&t->states[claimed.cell]);

    if (cell_version(state) == claimed.version && cell_kind(state) == CELL_OWNED)
        atomic_compare_exchange_strong(&t->states[claimed.cell], &state,
                                       state_of(claimed.version, 0, CELL_LIVE));
}

void cell_release(struct table *t, struct cell_claimed claimed)
{
    uint64_t state = atomic_load(&t->states[claimed.cell]);

    while (cell_version(state) == claimed.version && cell_kind(state) != CELL_FREE)
        if (atomic_compare_exchange_weak(&t->states[claimed.cell], &state,
                                         state_of(claimed.version, 0, CELL_FREE))) {
            if (here.hints_count < HINTS)
                here.hints[here.hints_count++] = claimed.cell;
            return;
        }
}

/* --- what is in it --- */

enum { ABOUT_SUM = 0x40, ABOUT_KEPT = 0x80 }; /* next to the type */

static uint64_t about_of(const struct table_value *value, const struct cell_key *key,
                         uint32_t text_length)
{
    return (uint64_t)value->type | (value->is_kept ? ABOUT_KEPT : 0) |
           (value->is_sum ? ABOUT_SUM : 0) | (uint64_t)key->bytes.length << 8 |
           (uint64_t)key->group << 16 | (uint64_t)text_length << 32;
}

static size_t key_length_of(uint64_t about)
{
    size_t length = about >> 8 & 0xff;

    return length < TABLE_KEY_BYTES_MAX ? length : TABLE_KEY_BYTES_MAX;
}

static uint32_t text_length_of(uint64_t about)
{
    uint32_t length = (uint32_t)(about >> 32);

    return length < TABLE_TEXT_BYTES_MAX ? length : TABLE_TEXT_BYTES_MAX;
}

void cell_fill(struct table *t, uint32_t cell, const struct cell_key *key,
               const struct table_value *value)
{
    struct table_cell *c = &t->cells[cell];
    uint32_t length = value->type == TABLE_TEXT ? value->length : 0;
    uint64_t number;

    CHECK(length <= TABLE_TEXT_BYTES_MAX);
    memcpy(&number, &value->number, sizeof number);
    atomic_store_explicit(&c->expires_ms, value->expires_ms, RELAXED);
    atomic_store_explicit(&c->about, about_of(value, key, length), RELAXED);
    atomic_store_explicit(&c->number, number, RELAXED);
    atomic_store_explicit(&c->hash, key->hash, RELAXED);
    bytes_write(c->key, key->bytes.start, key->bytes.length);
    bytes_write(t->texts[cell], value->text, length);
}

void cell_copy(struct table *t, uint32_t to, uint32_t from)
{
    struct table_cell *a = &t->cells[to], *b = &t->cells[from];
    uint64_t about = atomic_load_explicit(&b->about, RELAXED);

    atomic_store_explicit(&a->expires_ms, atomic_load_explicit(&b->expires_ms, RELAXED), RELAXED);
    atomic_store_explicit(&a->about, about, RELAXED);
    atomic_store_explicit(&a->number, atomic_load_explicit(&b->number, RELAXED), RELAXED);
    atomic_store_explicit(&a->hash, atomic_load_explicit(&b->hash, RELAXED), RELAXED);
    for (size_t i = 0; i < (key_length_of(about) + 7) / 8; i++)
        atomic_store_explicit(&a->key[i], atomic_load_explicit(&b->key[i], RELAXED), RELAXED);
    for (size_t i = 0; i < (text_length_of(about) + 7) / 8; i++)
        atomic_store_explicit(&t->texts[to][i], atomic_load_explicit(&t->texts[from][i], RELAXED),
                              RELAXED);
}

void cell_link(struct table *t, uint32_t cell, uint32_t bucket, uint32_t next)
{
    atomic_store_explicit(&t->cells[cell].link, (uint64_t)bucket << 32 | next, RELAXED);
}

void cell_value(const struct table *t, uint32_t cell, struct table_value *out)
{
    const struct table_cell *c = &t->cells[cell];
    uint64_t about = atomic_load_explicit(&c->about, RELAXED);
    uint64_t number = atomic_load_explicit(&c->number, RELAXED);

    out->expires_ms = atomic_load_explicit(&c->expires_ms, RELAXED);
    out->type = about & (ABOUT_SUM - 1);
    out->is_kept = (about & ABOUT_KEPT) != 0;
    out->is_sum = (about & ABOUT_SUM) != 0;
    out->length = text_length_of(about);
    memcpy(&out->number, &number, sizeof number);
    bytes_read(t->texts[cell], out->text, out->length);
}

bool cell_is_of(const struct table *t, uint32_t cell, const struct cell_key *key)
{
    const struct table_cell *c = &t->cells[cell];

    return atomic_load_explicit(&c->hash, RELAXED) == key->hash &&
           key_length_of(atomic_load_explicit(&c->about, RELAXED)) == key->bytes.length &&
           bytes_are(c->key, key->bytes.start, key->bytes.length);
}

bool cell_has_expired(const struct table *t, uint32_t cell, uint64_t now_ms)
{
    uint64_t expires_ms = atomic_load_explicit(&t->cells[cell].expires_ms, RELAXED);

    return expires_ms != 0 && expires_ms <= now_ms;
}

bool cell_may_go(const struct table *t, uint32_t cell, struct cell_claimed *claimed,
                 uint32_t *bucket, uint16_t *group, uint64_t *expires_ms)
{
    uint64_t state = atomic_load_explicit(&t->states[cell], memory_order_acquire);
    const struct table_cell *c = &t->cells[cell];

    *expires_ms = atomic_load_explicit(&c->expires_ms, RELAXED);
    if (cell_kind(state) != CELL_LIVE || *expires_ms == 0)
        return false;
    *claimed = (struct cell_claimed){cell, cell_version(state)};
    *group = (uint16_t)(atomic_load_explicit(&c->about, RELAXED) >> 16);
    *bucket = (uint32_t)(atomic_load_explicit(&c->link, RELAXED) >> 32);
    return *bucket < TABLE_BUCKETS;
}

bool cell_read_key(const struct table *t, uint32_t cell, char room[TABLE_KEY_BYTES_MAX],
                   struct slice *key, uint16_t *group)
{
    uint64_t state = atomic_load_explicit(&t->states[cell], memory_order_acquire), about;

    if (cell_kind(state) != CELL_LIVE)
        return false;
    about = atomic_load_explicit(&t->cells[cell].about, RELAXED);
    *key = (struct slice){room, key_length_of(about)};
    *group = (uint16_t)(about >> 16);
    bytes_read(t->cells[cell].key, room, key->length);
    atomic_thread_fence(memory_order_acquire);
    return key->length > 0 && atomic_load_explicit(&t->states[cell], RELAXED) == state;
}

/* --- free ones --- */

uint32_t cells_ever_used(const struct table *t)
{
    uint32_t high = atomic_load_explicit(&t->high, RELAXED);

    return high < TABLE_CELLS ? high : TABLE_CELLS;
}

bool cells_claim_hinted(struct table *t, struct cell_claimed *claimed)
{
    uint32_t high = cells_ever_used(t);

    while (here.hints_count > 0) {
        uint32_t cell = here.hints[--here.hints_count];

        if (cell < high && cell_claim(t, cell, claimed))
            return true;
    }
    return false;
}
