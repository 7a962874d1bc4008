#include "process/account.h"

#include "base/mem.h"
#include "client/relief.h"
#include "dial/link.h"
#include "proxy/room.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    TIGHT_QUARTERS = 3, /* of the part */
    SCRIPTS_PART = 4,   /* connections of scripts may hold a quarter of it */
    RELIEF = 16,        /* a sixteenth of the part more than is missing */
    IDLE_BYTES = 512,   /* of a connection that rests */
};

static void account_set_marks(const struct account *a)
{
    mem_set_marks(a->before_clients + a->part / 4 * TIGHT_QUARTERS, a->before_clients + a->part);
}

void account_init(struct account *a, struct clients *clients, struct pools *pools)
{
    *a = (struct account){.clients = clients, .pools = pools};
}

void account_follow(struct account *a, const struct config *config)
{
    if (a->before_clients == 0)
        a->before_clients = mem_held();
    a->part = (size_t)config_memory_part(config);
    held_set_limit(a->part / SCRIPTS_PART);
    (void)mem_keep_reserve(); /* without one, the first refusal is the end */
    account_set_marks(a);
}

static void account_log(struct account *a)
{
    const char *part = LOG_NUMBER(a->part), *connections = LOG_NUMBER(a->closed_unlogged);
    const char *requests = LOG_NUMBER(a->ended_unlogged);

    if (a->ended_unlogged + a->closed_unlogged == 0 ||
        log_interval_count(&a->log, loop_now_ms(a->clients->loop), LOG_INTERVAL_MS) == 0)
        return;
    a->ended_unlogged = a->closed_unlogged = 0;
    log_event(LOG_WARN, "memory_full",
              LOG_PAIRS({"#limit", part}, {"#requests", requests}, {"#connections", connections}),
              "limits.memory: this worker's part, %s bytes, is used up: the requests that hold "
              "most of it end, and %s idle connections are closed",
              part, connections);
}

/* The memory that TLS holds for a connection is free at once. */
static size_t freed_since(size_t held_before)
{
    size_t held = mem_held();

    return held < held_before ? held_before - held : 0;
}

/* Idle connections close first (proxy/room.h), but only if that is enough: two hundred of them
 * would have to close for one large request. */
static unsigned account_close_idle(struct account *a, const struct holders *holders, size_t bytes)
{
    size_t before = mem_held();
    unsigned closed = 0;

    if (holders->idle_bytes + pools_idle_bytes(a->pools) >= bytes)
        while (closed * IDLE_BYTES + freed_since(before) < bytes && room_make(a->clients, a->pools))
            closed++;
    return closed;
}

/* How many requests have ended or connections closed. Their memory is free after this turn. */
static unsigned account_make_room(struct account *a, size_t bytes)
{
    size_t before = mem_held(), freed;
    struct holders holders;
    unsigned closed, ended = 0;

    holders_find(&holders, a->clients);
    freed = before - mem_held();
    if (freed >= bytes)
        return 0;
    closed = account_close_idle(a, &holders, bytes - freed);
    freed = freed_since(before) + (size_t)closed * IDLE_BYTES;
    if (freed < bytes)
        ended = holders_end(&holders, bytes - freed);
    a->closed_unlogged += closed;
    a->ended_unlogged += ended;
    account_log(a);
    return closed + ended;
}

/* If the system refused memory the marks are 0, so that nothing is read until it gives some; but if
 * clients hold nothing, waiting would not help. */
void account_relieve(struct account *a)
{
    size_t full_at = a->before_clients + a->part, held = mem_held();
    size_t missing = held > full_at ? held - full_at : 0;
    bool has_reserve = mem_keep_reserve();
    unsigned gone = account_make_room(a, missing + a->part / RELIEF);

    a->was_full = true;
    if (gone == 0 && mem_held() >= full_at)
        mem_set_marks(0, mem_held() + a->part / RELIEF); /* until account_tick */
    else if (gone == 0 || has_reserve)
        account_set_marks(a);
}

void account_tick(struct account *a)
{
    if (!a->was_full)
        return;
    a->was_full = false;
    if (mem_keep_reserve())
        account_set_marks(a);
    mem_give_back();
}
