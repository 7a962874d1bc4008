#include "process/monitor_script.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/deadline.h"
#include "policy/policy.h"
#include "shared/board.h"

#include <stdio.h>
#include <string.h>

enum { LOOK_MS = 50, NEWS_MIN = 256, LOST_LOG_MS = 1000, WORDS_BYTES = 96, ROOM_BYTES = 256 };

struct inquiry { /* of one backend: the check that is under way */
    struct monitor_script *monitor_script;
    struct policy_call call;
    struct facts_request request;
    struct facts_check check;
    struct arena arena;
    char room[ROOM_BYTES];
};

struct news { /* for on_health */
    unsigned backend;
    bool is_up;
    char words[WORDS_BYTES];
};

struct seen { /* of one backend, as on_health was told */
    bool is_up, is_unchecked;
};

struct monitor_script {
    struct health_asker asker;
    struct loop *loop;
    const struct config *config;
    struct segment *segment;
    struct health *health;
    struct policy *policy;
    struct inquiry *inquiries; /* by backend */

    struct deadline look, next;
    uint64_t generation;
    struct seen *seen; /* by backend */
    struct news *news; /* room for all backends to change twice */
    unsigned news_max, first, count;
    struct log_interval lost; /* news */
    struct policy_call telling;
    struct news told; /* the one that is being told */
    bool is_telling;
};

/* --- checks --- */

static void inquiry_end(struct inquiry *q)
{
    struct monitor_script *l = q->monitor_script;

    health_answer(l->health, (unsigned)(q - l->inquiries), q->check.is_up, q->check.reason);
    arena_dispose(&q->arena);
}

static void on_checked(struct policy_call *call)
{
    inquiry_end(list_entry(call, struct inquiry, call));
}

static void on_ask(struct health_asker *asker, unsigned backend)
{
    struct monitor_script *l = list_entry(asker, struct monitor_script, asker);
    struct inquiry *q = &l->inquiries[backend];
    uint64_t ends_ms = loop_now_ms(l->loop) + l->config->health.timeout_ms;

    arena_init(&q->arena, q->room, sizeof q->room);
    q->request = (struct facts_request){.arena = &q->arena, .deadline_ms = (double)ends_ms};
    if (policy_health(l->policy, &q->call, &q->request, backend, &q->check) == POLICY_DONE)
        inquiry_end(q);
}

static void on_cancel(struct health_asker *asker, unsigned backend)
{
    struct monitor_script *l = list_entry(asker, struct monitor_script, asker);

    policy_cancel(&l->inquiries[backend].call);
    arena_dispose(&l->inquiries[backend].arena);
}

/* --- news --- */

/* In an event of its own: checks that are due come between two of them. */
static void monitor_script_tell_next(struct monitor_script *l)
{
    if (!l->is_telling && l->count > 0 && !deadline_is_set(&l->next))
        deadline_set(l->loop, &l->next, 0);
}

static void on_told(struct policy_call *call)
{
    struct monitor_script *l = list_entry(call, struct monitor_script, telling);

    l->is_telling = false;
    monitor_script_tell_next(l);
}

static void on_next(struct deadline *d)
{
    struct monitor_script *l = list_entry(d, struct monitor_script, next);

    l->told = l->news[l->first];
    l->first = (l->first + 1) % l->news_max;
    l->count--;
    l->is_telling = true;
    if (policy_on_health(l->policy, &l->telling, l->told.backend, l->told.is_up,
                         slice_of(l->told.words)) == POLICY_DONE)
        on_told(&l->telling);
}

static void monitor_script_lose(struct monitor_script *l)
{
    unsigned lost = (unsigned)log_interval_count(&l->lost, loop_now_ms(l->loop), LOST_LOG_MS);

    if (lost > 0)
        log_event(LOG_WARN, "on_health_lost", NULL, "on_health is too slow: %u change%s not told",
                  lost, lost == 1 ? " is" : "s are");
}

static void monitor_script_add(struct monitor_script *l, unsigned backend, bool is_up)
{
    struct news *news = &l->news[(l->first + l->count) % l->news_max];
    struct buffer words = {0};

    if (l->count == l->news_max) {
        monitor_script_lose(l);
        l->first = (l->first + 1) % l->news_max;
        l->count--;
    }
    health_describe(l->health, backend, &words);
    news->backend = backend;
    news->is_up = is_up;
    snprintf(news->words, sizeof news->words, "%s", buffer_text(&words));
    buffer_dispose(&words);
    l->count++;
}

/* A change there and back between two looks is none. */
static void on_look(struct deadline *d)
{
    struct monitor_script *l = list_entry(d, struct monitor_script, look);
    uint64_t generation = board_generation(l->segment);

    deadline_set(l->loop, d, LOOK_MS);
    if (generation == l->generation)
        return;
    l->generation = generation;
    for (unsigned i = 0; i < l->config->backends_count; i++) {
        struct verdict v = board_verdict(l->segment, l->config->backends[i].slot);
        bool is_unchecked = v.reason == VERDICT_UNCHECKED;

        if (v.up != l->seen[i].is_up || is_unchecked != l->seen[i].is_unchecked)
            monitor_script_add(l, i, v.up);
        l->seen[i] = (struct seen){v.up, is_unchecked};
    }
    monitor_script_tell_next(l);
}

static void monitor_script_watch(struct monitor_script *l)
{
    l->generation = board_generation(l->segment);
    for (unsigned i = 0; i < l->config->backends_count; i++) {
        struct verdict v = board_verdict(l->segment, l->config->backends[i].slot);

        l->seen[i] = (struct seen){v.up, v.reason == VERDICT_UNCHECKED};
    }
    deadline_set(l->loop, &l->look, LOOK_MS);
}

/* --- start and stop --- */

static bool is_needed(const struct config *config)
{
    return config->health.type == CONFIG_HEALTH_LUA || config->has_on_health ||
           config->has_once_timers;
}

static struct policy *load_script(struct loop *loop, const struct config *config,
                                  struct segment *segment)
{
    struct buffer error = {0};
    struct policy *policy = policy_new(config, segment, loop, POLICY_IN_MONITOR, &error);

    if (policy == NULL) {
        log_event(LOG_ERROR, "monitor_script_failed", NULL,
                  "the script cannot be loaded in the monitor, so it checks by connects: %s",
                  buffer_text(&error));
    }
    buffer_dispose(&error);
    return policy;
}

struct monitor_script *monitor_script_new(struct loop *loop, const struct config *config,
                                          struct segment *segment, struct health *health)
{
    struct policy *policy = is_needed(config) ? load_script(loop, config, segment) : NULL;
    struct monitor_script *l;

    if (policy == NULL)
        return NULL;
    l = mem_zalloc(sizeof *l);
    *l = (struct monitor_script){.asker = {on_ask, on_cancel},
                                 .loop = loop,
                                 .config = config,
                                 .segment = segment,
                                 .health = health,
                                 .policy = policy,
                                 .telling.on_done = on_told};
    l->inquiries = mem_zalloc(config->backends_count * sizeof *l->inquiries + 1);
    l->news_max = 2 * config->backends_count + NEWS_MIN;
    l->news = mem_zalloc(l->news_max * sizeof *l->news);
    l->seen = mem_zalloc(config->backends_count * sizeof *l->seen + 1);
    for (unsigned i = 0; i < config->backends_count; i++) {
        l->inquiries[i].monitor_script = l;
        l->inquiries[i].call.on_done = on_checked;
    }
    deadline_init(&l->look, on_look);
    deadline_init(&l->next, on_next);
    if (config->health.type == CONFIG_HEALTH_LUA)
        health_ask(health, &l->asker);
    if (config->has_on_health)
        monitor_script_watch(l);
    return l;
}

void monitor_script_free(struct monitor_script *l)
{
    if (l == NULL)
        return;
    health_ask(l->health, NULL);
    deadline_clear(&l->look);
    deadline_clear(&l->next);
    for (unsigned i = 0; i < l->config->backends_count; i++) {
        if (l->inquiries[i].call.run.coroutine == NULL)
            continue;
        policy_cancel(&l->inquiries[i].call);
        arena_dispose(&l->inquiries[i].arena);
    }
    policy_cancel(&l->telling);
    policy_free(l->policy);
    mem_free(l->inquiries);
    mem_free(l->seen);
    mem_free(l->news);
    mem_free(l);
}
