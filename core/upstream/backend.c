#include "upstream/backend.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/remotes.h"
#include "shared/backend_numbers.h"
#include "shared/changes.h"
#include "shared/evidence.h"
#include "shared/queued.h"
#include "shared/spares.h"
#include "shared/weight.h"

enum { EJECTION_FOR_MAX_MS = 300 * 1000 };

/* The rules hold for all scripts that use the pool. */
static void backend_secure(struct backend *b)
{
    const struct config_backend *settings = b->settings;
    struct tls_remote_rules rules;

    if (!config_backend_has_tls(settings)) {
        pool_secure(b->pool, NULL, SLICE(""));
        return;
    }
    rules = remotes_rules(&b->all->config->tls, settings->remote);
    pool_secure(b->pool, &rules, slice_of(settings->tls_name));
}

void backends_take_files(struct backends *all)
{
    for (unsigned i = 0; i < all->count; i++)
        if (all->list[i].pool != NULL)
            backend_secure(&all->list[i]);
}

/* May have begun before: its source has left it out for a while. */
static void backend_begin(struct backends *all, unsigned place)
{
    const struct config *config = all->config;
    struct backend *b = &all->list[place];

    b->is_listed = true;
    b->settings = all->members.list[place].settings;
    weight_note_script(all->segment, b->settings->slot, b->settings->weight);
    if (b->pool != NULL)
        return;
    b->all = all;
    b->index = place;
    b->share = numbers_share(all->segment, all->worker, b->settings->slot);
    numbers_hold(b->share);
    b->pool = pools_use(all->pools, b->settings->slot, config->timeouts.upstream_idle_ms);
    if (config_backend_is_h2(b->settings))
        pool_share(b->pool, config->h2.backend_streams);
    backend_secure(b);
}

void backends_init(struct backends *all, struct pools *pools, const struct config *config,
                   struct segment *segment, unsigned worker, uint64_t edition)
{
    const struct config_health *health = &config->health;

    *all = (struct backends){.loop = pools->loop,
                             .pools = pools,
                             .config = config,
                             .segment = segment,
                             .worker = worker,
                             .ejection = {.after = health->eject_after,
                                          .for_ms = health->eject_for_ms,
                                          .for_max_ms = EJECTION_FOR_MAX_MS}};
    members_init(&all->members, config, segment, edition);
    all->count = all->members.count;
    all->capacity = all->members.capacity;
    all->list = mem_zalloc(all->capacity * sizeof *all->list);
    all->available = mem_zalloc(all->capacity * sizeof *all->available);
    for (unsigned i = 0; i < all->count; i++)
        backend_begin(all, i);
}

bool backends_follow(struct backends *all)
{
    const struct membership *m = &all->members;

    if (!members_follow(&all->members))
        return false;
    all->count = m->count;
    for (unsigned i = 0; i < m->changes_count; i++) {
        unsigned place = m->changes[i].place;

        if (m->changes[i].news == MEMBER_LEFT) {
            all->list[place].is_listed = false;
            all->list[place].left_ms = loop_now_ms(all->loop);
        } else {
            backend_begin(all, place);
        }
    }
    all->valid_until_ms = 0; /* the list is another, whatever the board says */
    return true;
}

void backends_need_none(struct backends *all)
{
    for (unsigned i = 0; i < all->count; i++)
        all->list[i].is_needed = false;
}

static void backend_end(struct backends *all, struct backend *b)
{
    b->pool = NULL;
    pools_release(all->pools, b->settings->slot);
    numbers_release(b->share);
}

void backends_release(struct backends *all)
{
    for (unsigned i = 0; i < all->count; i++) {
        struct backend *b = &all->list[i];

        if (!b->is_needed && b->pool != NULL)
            backend_end(all, b);
    }
}

void backends_let_left_go(struct backends *all, void (*on_gone)(void *owner, unsigned place),
                          void *owner)
{
    for (unsigned i = 0; i < all->count && all->members.left > 0; i++) {
        struct backend *b = &all->list[i];

        if (b->settings == NULL || b->is_listed || b->is_needed ||
            (b->pool != NULL && b->pool->waiting > 0))
            continue;
        on_gone(owner, i);
        if (b->pool != NULL)
            backend_end(all, b);
        *b = (struct backend){0};
        members_free(&all->members, i);
    }
}

void backends_dispose(struct backends *all)
{
    backends_need_none(all);
    backends_release(all);
    members_dispose(&all->members);
    mem_free(all->list);
    mem_free(all->available);
}

/* It drains, or its weight is 0: nothing may make it one to choose from. */
static bool backend_gets_none(const struct backend *b)
{
    const struct segment *segment = b->all->segment;
    unsigned slot = b->settings->slot;

    return atomic_load(&segment->backends[slot].draining) != 0 ||
           weight_of(segment, slot, b->settings->weight) == 0;
}

/* The log's last word may be of a worker that is gone, or of another script: it counts, and not
 * what this worker saw before. */
static void backends_log_panic(const struct backends *all, unsigned wanted)
{
    if (atomic_load(&all->segment->in_panic) == all->is_panic ||
        board_generation(all->segment) != all->board_generation || /* seen too early */
        atomic_exchange(&all->segment->in_panic, all->is_panic) == all->is_panic)
        return;
    if (all->is_panic)
        log_event(LOG_ERROR, "panic_begin", NULL,
                  "%u of %u backends are available, less than health.panic: all are tried",
                  all->available_count, wanted);
    else
        log_event(LOG_INFO, "panic_end", NULL, "%u of %u backends are available again",
                  all->available_count, wanted);
}

/* Below health.panic those that are left would not bear the load of all; better to try everybody.
 * Where none is left there is nothing better to try either, but one request at a time is enough. */
static void backends_look_for_panic(struct backends *all)
{
    const struct membership *m = &all->members;
    unsigned wanted = 0;

    for (unsigned i = 0; i < m->listed; i++)
        wanted += !backend_gets_none(&all->list[m->order[i]]);
    all->is_panic = atomic_load(&all->segment->first_round_done) != 0 &&
                    all->available_count < all->config->health.panic * wanted;
    backends_log_panic(all, wanted);
    all->is_need = !all->is_panic && all->available_count == 0 && wanted > 0;
    if (!all->is_panic && !all->is_need)
        return;
    all->available_count = 0;
    for (unsigned i = 0; i < m->listed; i++)
        if (!backend_gets_none(&all->list[m->order[i]]))
            all->available[all->available_count++] = m->order[i];
}

void backends_refresh(struct backends *all)
{
    uint64_t now_ms = loop_now_ms(all->loop);
    uint64_t generation = board_generation(all->segment);
    const struct membership *m = &all->members;

    if (all->available_generation != 0 && generation == all->board_generation &&
        now_ms < all->valid_until_ms)
        return;
    all->board_generation = generation;
    all->valid_until_ms = board_next_change_ms(all->segment, now_ms);
    all->available_generation++;
    all->available_count = 0;
    for (unsigned i = 0; i < m->listed; i++) {
        const struct backend *b = &all->list[m->order[i]];

        if (board_is_available(all->segment, b->settings->slot, now_ms) && !backend_gets_none(b))
            all->available[all->available_count++] = b->index;
    }
    backends_look_for_panic(all);
}

const struct sockaddr *backend_address(struct backend *b)
{
    const struct address *fixed = &b->settings->address;
    struct pool *pool = b->pool;
    uint32_t version = pool->address_version;

    if (fixed->kind != ADDRESS_NAME)
        return &fixed->socket.any;
    /* While the monitor writes a new one, the last good one serves. */
    if (!board_read_address(b->all->segment, b->settings->slot, &pool->address_version,
                            &pool->address) &&
        pool->address.sin6_family == AF_UNSPEC)
        return NULL;
    if (pool->address_version != version) {
        pool_close_idle(pool); /* they lead to where it was */
        pool->detour.sin6_family = AF_UNSPEC;
    }
    return (const struct sockaddr *)(pool->detour.sin6_family != AF_UNSPEC ? &pool->detour
                                                                           : &pool->address);
}

unsigned backend_other_addresses(const struct backend *b, const struct sockaddr *failed,
                                 struct sockaddr_in6 out[SEGMENT_SPARES_MAX])
{
    struct sockaddr_in6 all[SEGMENT_SPARES_MAX];
    unsigned count = 0, others = 0;

    if (b->settings->address.kind == ADDRESS_NAME)
        count = spares_read(b->all->segment, b->settings->slot, all);
    for (unsigned i = 0; i < count; i++)
        if (memcmp(&all[i], failed, address_length(failed)) != 0)
            out[others++] = all[i];
    return others;
}

void backend_take_detour(struct backend *b, const struct sockaddr_in6 *address)
{
    b->pool->detour = *address;
}

bool backend_is_ejected(const struct backend *b)
{
    const struct segment_backend *entry = &b->all->segment->backends[b->settings->slot];

    return ejection_unpack(atomic_load(&entry->ejection)).state == EJECTION_OUT;
}

bool backend_is_full(const struct backend *b)
{
    uint32_t most = b->settings->max_in_flight;

    return most > 0 && numbers_in_flight(b->all->segment, b->settings->slot) >= most;
}

void backend_note_room(const struct backend *b)
{
    if (b->settings->max_in_flight > 0 && b->all->config->limits.queue > 0)
        queued_wake(b->all->segment, b->settings->slot);
}

void backend_note_success(struct backend *b)
{
    if (!board_note_success(b->all->segment, b->settings->slot))
        return;
    changes_note(b->all->segment, b->settings->slot, "ejected", "up", "traffic", "answers again");
    log_event(LOG_INFO, "backend_readmitted", LOG_PAIRS({"backend", b->settings->name}),
              "%s answers again and gets its share", b->settings->name);
}

static void backend_log_change(const struct backend *b, bool up)
{
    struct buffer reason = {0};

    verdict_describe(&reason, board_verdict(b->all->segment, b->settings->slot));
    changes_note(b->all->segment, b->settings->slot, up ? "down" : "up", up ? "up" : "down",
                 "traffic", buffer_text(&reason));
    verdict_log(up, b->settings->name, b->settings->text, &reason);
    buffer_dispose(&reason);
}

void backend_note_connected(struct backend *b, bool in_need)
{
    struct segment *segment = b->all->segment;
    unsigned slot = b->settings->slot;

    evidence_note_connected(segment, slot);
    if (!in_need || board_verdict(segment, slot).up)
        return;
    if (board_note_reached(segment, slot, loop_now_ms(b->all->loop)))
        backend_log_change(b, true);
    else
        evidence_ask_to_look(segment, slot); /* whether what a check has found is still so */
}

void backend_note_unreached(struct backend *b)
{
    evidence_ask_to_look(b->all->segment, b->settings->slot);
}

void backend_note_failure(struct backend *b, bool failed_to_connect, int code, const char *text,
                          uint64_t began_us)
{
    uint64_t now_us = clock_steady_us(), now_ms = now_us / 1000, out_ms;
    struct segment *segment = b->all->segment;
    unsigned slot = b->settings->slot;
    struct ejection_rule rule = b->all->ejection;

    numbers_note_failure(segment, b->share, (double)(now_us - began_us) / 1000, now_ms);
    numbers_note_error(segment, slot, text, now_ms);
    if (failed_to_connect && evidence_note_failed(segment, slot, now_ms) &&
        board_set_down(segment, slot, VERDICT_TRAFFIC, code, now_ms))
        backend_log_change(b, false);
    if (failed_to_connect) /* that is a matter of being down; but a trial fails by it */
        rule.after = 0;
    out_ms = board_note_failure(segment, slot, &rule, loop_now_ms(b->all->loop));
    if (out_ms == 0)
        return;
    changes_note(segment, slot, "up", "ejected", "traffic", text);
    log_event(LOG_WARN, "backend_ejected",
              LOG_PAIRS({"backend", b->settings->name}, {"address", b->settings->text}),
              "%s is ejected for %.0f s: %u requests in a row failed there", b->settings->name,
              (double)out_ms / 1000, (unsigned)b->all->ejection.after);
}
