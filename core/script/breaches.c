#include "script/breaches.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

enum { STILL_PARKED_MS = 60000 };

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

void breaches_init(struct breaches *b, const struct config *config, struct segment *segment,
                   const struct loop *loop, unsigned worker)
{
    *b = (struct breaches){.script_name = file_name(config->script_path),
                           .config = config,
                           .segment = segment,
                           .counts = &segment->workers[worker],
                           .loop = loop,
                           .worker = worker,
                           .number = parking_number(segment)};
}

/* --- the log --- */

/* In one line: "balancer.lua:3: in function 'rank' < balancer.lua:9: in function <..>". */
static void append_way(struct buffer *out, const char *traceback)
{
    const char *at = strchr(traceback, '\n'); /* behind the words "stack traceback:" */

    for (bool is_first = true; at != NULL; is_first = false) {
        const char *line = at + strspn(at, "\n\t ");

        at = strchr(line, '\n');
        buffer_append_text(out, is_first ? " [" : " < ");
        buffer_append(out, at != NULL ? (struct slice){line, (size_t)(at - line)} : slice_of(line));
        if (at == NULL)
            buffer_append_text(out, "]");
    }
}

/* Text for people has no members; they need to know which request it was, and the way there. */
static void append_for_people(struct buffer *out, const char *id, const char *traceback)
{
    if (log_event_format() != LOG_TEXT)
        return;
    if (*id != '\0')
        buffer_printf(out, " (request %s)", id);
    append_way(out, traceback);
}

struct report { /* of one breach, for the log */
    const char *hook, *kind, *traceback;
    struct slice id, message;
    unsigned line;
    uint64_t suppressed;
};

static void breaches_log(const struct breaches *b, const struct report *r)
{
    const char *line = LOG_NUMBER(r->line), *suppressed = LOG_NUMBER(r->suppressed);
    struct buffer more = {0};
    char id[24];

    snprintf(id, sizeof id, "%.*s", (int)r->id.length, r->id.start);
    append_for_people(&more, id, r->traceback);
    log_event(LOG_ERROR, "policy_error",
              LOG_PAIRS({"script", b->script_name}, {"hook", r->hook}, {"kind", r->kind},
                        {"#line", line}, {"id", id}, {"#suppressed", suppressed},
                        {"traceback", r->traceback}),
              "%s failed: %.*s%.*s", r->hook, (int)r->message.length, r->message.start,
              (int)buffer_length(&more), buffer_slice(&more).start);
    buffer_dispose(&more);
}

/* --- too many --- */

/* Each of these sentences ends with what happens instead. */
static void say_parked(const struct breaches *b, const char *event, struct parking_cause cause,
                       const char *what)
{
    const char *hook = hook_name((enum hook)cause.hook);
    const char *kind = breach_name((enum breach)cause.kind);
    const char *instead = b->config->fallback == CONFIG_FALLBACK_FAIL
                              ? "every request is answered 500"
                              : "the built-in rule serves";
    const char *line = LOG_NUMBER(cause.line);

    log_event(
        LOG_ERROR, event,
        LOG_PAIRS({"script", b->script_name}, {"hook", hook}, {"kind", kind}, {"#line", line}),
        "%s is PARKED %s, the last one in %s at line %s (%s); %s until a trial call goes "
        "well, or a script is loaded",
        b->script_name, what, hook, line, kind, instead);
}

static void park(struct breaches *b, const struct parking_breach *breach)
{
    unsigned least = (unsigned)b->config->script_limits.park;

    if (parking_note(b->segment, b->number, least, breach))
        say_parked(b, "policy_parked", breach->cause,
                   "for 1 s: half of its calls failed within the last second");
}

/* A trial that awaits for longer makes room for the next one: its client could keep the script
 * parked for as long as a call may await. So could a worker that dies in the middle of it. */
bool breaches_may_try(struct breaches *b, uint64_t client, double number)
{
    if (!parking_may_try(b->segment, b->number, client, clock_steady_ms(), PARKING_REST_MS))
        return false;
    if (b->trial == 0)
        b->trial = number;
    return true;
}

void breaches_end_trial(struct breaches *b)
{
    const char *seconds;
    uint64_t since_ms;

    b->trial = 0;
    if (!parking_end(b->segment, b->number, &since_ms))
        return;
    seconds = LOG_SECONDS(clock_steady_ms() - since_ms);
    log_event(LOG_WARN, "policy_resumed",
              LOG_PAIRS({"script", b->script_name}, {"#seconds", seconds}),
              "%s is asked again, after %s s: a trial call went well", b->script_name, seconds);
}

void breaches_forget_call(struct breaches *b, double number)
{
    if (!breaches_is_trial(b, number))
        return;
    if (b->trial == number)
        b->trial = 0;
    parking_let_try(b->segment, b->number);
}

void breaches_tick(struct breaches *b, struct script *script)
{
    struct parking_cause cause;

    atomic_store_explicit(&b->counts->policy_gc_pause_us, script_gc_pause_us(script),
                          memory_order_relaxed);
    if (parking_remind(b->segment, b->number, STILL_PARKED_MS, clock_steady_ms(), &cause))
        say_parked(b, "policy_still_parked", cause, "still: its calls fail");
}

/* What the breach means for the calls that follow. */
static void breaches_judge(struct breaches *b, const struct script *script,
                           const struct parking_breach *breach, double number)
{
    uint32_t took_us = script_stopped_us(script);

    if (took_us > 0)
        costs_note(&b->costs, breach->client, took_us, breach->now_ms);
    if (!script_is_to_blame(script, (enum breach)breach->cause.kind)) {
        breaches_forget_call(b, number);
    } else if (breaches_is_trial(b, number) && parking_is_parked(b->segment, b->number)) {
        b->trial = 0;
        parking_go_on(b->segment, b->number, breach->client, breach->now_ms);
    } else {
        park(b, breach);
    }
}

/* --- one --- */

/* A traceback is made only for what is logged: a script that fails in every call should cost as
 * little as may be. */
void breaches_note(struct breaches *b, struct script *script, enum hook hook, enum breach breach,
                   const struct breaches_call *call)
{
    struct buffer message = {0}, traceback = {0};
    uint64_t suppressed, now_ms = clock_steady_ms();
    unsigned line = 0;

    atomic_fetch_add_explicit(&b->counts->policy_errors, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&b->counts->policy_breaches[hook][breach], 1, memory_order_relaxed);
    script_explain(script, hook, breach, &message, &line);
    if (breach == BREACH_WRONG)
        buffer_append(&message, call->wrong);
    if (b->heard != NULL) {
        b->heard(b->heard_owner, hook, buffer_slice(&message));
    } else if (complaints_may_log(&b->complaints, hook, breach, line, now_ms, &suppressed)) {
        script_trace(script, &traceback);
        buffer_append_byte(&traceback, '\0');
        breaches_log(b, &(struct report){.hook = hook_name(hook),
                                         .kind = breach_name(breach),
                                         .traceback = buffer_slice(&traceback).start,
                                         .id = call->id,
                                         .message = buffer_slice(&message),
                                         .line = line,
                                         .suppressed = suppressed});
    }
    if (b->loop != NULL)
        breaches_judge(b, script,
                       &(struct parking_breach){.worker = b->worker,
                                                .client = call->client,
                                                .now_ms = now_ms,
                                                .cause = {(uint8_t)hook, (uint8_t)breach, line}},
                       call->number);
    buffer_dispose(&message);
    buffer_dispose(&traceback);
}
