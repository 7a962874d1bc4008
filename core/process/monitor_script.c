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
    struct monitor_script *script;
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

struct seen { /* of one backend, at the last look */
    bool is_up, is_unchecked;
};

struct monitor_script {
    struct health_asker asker;
    struct loop *loop;
    const struct config *config;
    const struct membership *members;
    struct segment *segment;
    struct health *health;
    struct policy *policy;
    struct inquiry *inquiries; /* by place */

    struct deadline look, next;
    uint64_t generation;
    struct seen *seen; /* by place */
    struct news *news; /* room for all backends to change twice */
    unsigned news_max, first, count;
    struct log_interval lost; /* news */
    struct policy_call on_health;
    struct news current; /* of that call */
    bool is_calling;
};

/* --- checks --- */

static void inquiry_end(struct inquiry *q)
{
    struct monitor_script *s = q->script;

    health_answer(s->health, (unsigned)(q - s->inquiries), q->check.is_up, q->check.reason);
    arena_dispose(&q->arena);
}

static void on_checked(struct policy_call *call)
{
    inquiry_end(list_entry(call, struct inquiry, call));
}

static void on_ask(struct health_asker *asker, unsigned backend)
{
    struct monitor_script *s = list_entry(asker, struct monitor_script, asker);
    struct inquiry *q = &s->inquiries[backend];
    uint64_t ends_ms = loop_now_ms(s->loop) + s->config->health.timeout_ms;

    q->script = s;
    q->call.on_done = on_checked;
    arena_init(&q->arena, q->room, sizeof q->room);
    q->request = (struct facts_request){.arena = &q->arena, .deadline_ms = (double)ends_ms};
    if (policy_health(s->policy, &q->call, &q->request, backend, &q->check) == POLICY_DONE)
        inquiry_end(q);
}

static void on_cancel(struct health_asker *asker, unsigned backend)
{
    struct monitor_script *s = list_entry(asker, struct monitor_script, asker);

    policy_cancel(&s->inquiries[backend].call);
    arena_dispose(&s->inquiries[backend].arena);
}

/* --- news --- */

/* In an event of its own: checks that are due come between two of them. */
static void call_next(struct monitor_script *s)
{
    if (!s->is_calling && s->count > 0 && !deadline_is_set(&s->next))
        deadline_set(s->loop, &s->next, 0);
}

static void on_called(struct policy_call *call)
{
    struct monitor_script *s = list_entry(call, struct monitor_script, on_health);

    s->is_calling = false;
    call_next(s);
}

static bool is_there(const struct monitor_script *s, unsigned place)
{
    return s->members->list[place].settings != NULL && s->members->list[place].is_listed;
}

static void on_next(struct deadline *d)
{
    struct monitor_script *s = list_entry(d, struct monitor_script, next);

    s->current = s->news[s->first];
    s->first = (s->first + 1) % s->news_max;
    s->count--;
    if (!is_there(s, s->current.backend)) { /* it has left since */
        call_next(s);
        return;
    }
    s->is_calling = true;
    if (policy_on_health(s->policy, &s->on_health, s->current.backend, s->current.is_up,
                         slice_of(s->current.words)) == POLICY_DONE)
        on_called(&s->on_health);
}

static void news_lose(struct monitor_script *s)
{
    unsigned lost = (unsigned)log_interval_count(&s->lost, loop_now_ms(s->loop), LOST_LOG_MS);

    if (lost > 0)
        log_event(LOG_WARN, "on_health_lost", NULL,
                  "on_health is too slow: %u change%s not reported to it", lost,
                  lost == 1 ? " is" : "s are");
}

static void news_add(struct monitor_script *s, unsigned backend, bool is_up)
{
    struct news *news = &s->news[(s->first + s->count) % s->news_max];
    struct buffer words = {0};

    if (s->count == s->news_max) {
        news_lose(s);
        s->first = (s->first + 1) % s->news_max;
        s->count--;
    }
    health_describe(s->health, backend, &words);
    news->backend = backend;
    news->is_up = is_up;
    snprintf(news->words, sizeof news->words, "%s", buffer_text(&words));
    buffer_dispose(&words);
    s->count++;
}

/* A change there and back between two looks is none. The first look calls nothing. */
static void look(struct monitor_script *s, bool is_first)
{
    uint64_t generation = board_generation(s->segment);

    deadline_set(s->loop, &s->look, LOOK_MS);
    if (generation == s->generation && !is_first)
        return;
    s->generation = generation;
    for (unsigned n = 0; n < s->members->listed; n++) {
        unsigned i = s->members->order[n];
        struct verdict v = board_verdict(s->segment, s->members->list[i].settings->slot);
        struct seen *seen = &s->seen[i], now = {v.up, v.reason == VERDICT_UNCHECKED};

        if (!is_first && (now.is_up != seen->is_up || now.is_unchecked != seen->is_unchecked))
            news_add(s, i, now.is_up);
        *seen = now;
    }
    call_next(s);
}

static void on_look(struct deadline *d)
{
    look(list_entry(d, struct monitor_script, look), false);
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

void monitor_script_follow(struct monitor_script *s)
{
    const struct membership *m = s->members;

    policy_follow(s->policy, m);
    for (unsigned i = 0; i < m->changes_count; i++)
        if (m->changes[i].news == MEMBER_JOINED) /* as all are at the start */
            s->seen[m->changes[i].place] = (struct seen){false, true};
}

void monitor_script_take_away(struct monitor_script *s, unsigned place)
{
    policy_take_away(s->policy, s->members, place);
}

struct monitor_script *monitor_script_new(struct loop *loop, const struct membership *members,
                                          struct segment *segment, struct health *health)
{
    const struct config *config = members->config;
    unsigned places = members->capacity;
    struct policy *policy = is_needed(config) ? load_script(loop, config, segment) : NULL;
    struct monitor_script *s;

    if (policy == NULL)
        return NULL;
    s = mem_zalloc(sizeof *s);
    *s = (struct monitor_script){.asker = {on_ask, on_cancel},
                                 .loop = loop,
                                 .config = config,
                                 .members = members,
                                 .segment = segment,
                                 .health = health,
                                 .policy = policy,
                                 .on_health.on_done = on_called};
    s->inquiries = mem_zalloc(places * sizeof *s->inquiries + 1);
    s->news_max = 2 * places + NEWS_MIN;
    s->news = mem_zalloc(s->news_max * sizeof *s->news);
    s->seen = mem_zalloc(places * sizeof *s->seen + 1);
    deadline_init(&s->look, on_look);
    deadline_init(&s->next, on_next);
    if (config->health.type == CONFIG_HEALTH_LUA)
        health_ask(health, &s->asker);
    if (config->has_on_health)
        look(s, true);
    return s;
}

void monitor_script_free(struct monitor_script *s)
{
    if (s == NULL)
        return;
    health_ask(s->health, NULL);
    deadline_clear(&s->look);
    deadline_clear(&s->next);
    for (unsigned i = 0; i < s->members->capacity; i++) {
        if (s->inquiries[i].call.run.coroutine == NULL)
            continue;
        policy_cancel(&s->inquiries[i].call);
        arena_dispose(&s->inquiries[i].arena);
    }
    policy_cancel(&s->on_health);
    policy_free(s->policy);
    mem_free(s->inquiries);
    mem_free(s->seen);
    mem_free(s->news);
    mem_free(s);
}
