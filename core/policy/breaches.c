#include "policy/breaches.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

enum { STILL_PARKED_MS = 60000 };

_Static_assert((int)SCRIPT_HOOKS <= (int)SEGMENT_HOOKS_MAX &&
                   (int)SCRIPT_BREACHES <= (int)SEGMENT_BREACHES_MAX,
               "each has its number in the segment");

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

void breaches_init(struct breaches *b, const struct config *config, struct segment *segment,
                   unsigned worker)
{
    *b = (struct breaches){.script_name = file_name(config->script_path),
                           .config = config,
                           .segment = segment,
                           .counts = &segment->workers[worker],
                           .number = parking_number(segment)};
}

/* --- one is said --- */

static void say(const struct breaches *b, enum script_hook hook, enum script_breach breach,
                const struct binding_call *call, struct slice message, unsigned line,
                const char *traceback, uint64_t suppressed)
{
    const struct facts_request *request = call->request;
    char line_text[16], suppressed_text[24], id[24] = "";

    if (request != NULL)
        snprintf(id, sizeof id, "%.*s", (int)request->id.length, request->id.start);
    snprintf(line_text, sizeof line_text, "%u", line);
    snprintf(suppressed_text, sizeof suppressed_text, "%llu", (unsigned long long)suppressed);
    log_event(LOG_ERROR, "policy_error",
              (const struct log_pair[]){{"script", b->script_name},
                                        {"hook", script_hook_name(hook)},
                                        {"kind", script_breach_name(breach)},
                                        {"#line", line_text},
                                        {"id", id},
                                        {"#suppressed", suppressed_text},
                                        {"traceback", traceback},
                                        {NULL, NULL}},
              "%s failed: %.*s", script_hook_name(hook), (int)message.length, message.start);
}

/* --- too many --- */

static void say_parked(const struct breaches *b, const char *event, struct parking_cause cause)
{
    const char *hook = script_hook_name((enum script_hook)cause.hook);
    const char *kind = script_breach_name((enum script_breach)cause.kind);
    const char *instead = b->config->fallback == CONFIG_FALLBACK_FAIL
                              ? "every request is answered 500"
                              : "the built-in rule serves";
    char line[16];

    snprintf(line, sizeof line, "%u", cause.line);
    log_event(LOG_ERROR, event,
              (const struct log_pair[]){{"script", b->script_name},
                                        {"hook", hook},
                                        {"kind", kind},
                                        {"#line", line},
                                        {NULL, NULL}},
              "%s is PARKED: it failed %u times within %d s, the last time in %s at line %s (%s); "
              "%s until a script is loaded again",
              b->script_name, (unsigned)b->config->script_limits.park, PARKING_WINDOW_MS / 1000,
              hook, line, kind, instead);
}

static bool counts(const struct breaches *b, const struct script *script, enum script_breach breach)
{
    unsigned oldest = b->second % BREACHES_SECONDS;
    uint32_t calls = script_calls(script) - b->before[oldest].calls;
    uint32_t failed = b->failed - b->before[oldest].failed;

    return breach == SCRIPT_TIMED_OUT || breach == SCRIPT_NO_MEMORY || failed >= calls - failed;
}

static void park(struct breaches *b, const struct script *script, enum script_hook hook,
                 enum script_breach breach, unsigned line, uint64_t now_ms)
{
    struct parking_cause cause = {(uint8_t)hook, (uint8_t)breach, line};
    unsigned most = (unsigned)b->config->script_limits.park;

    if (counts(b, script, breach) && parking_count(b->segment, b->number, most, cause, now_ms))
        say_parked(b, "policy_parked", cause);
}

void breaches_tick(struct breaches *b, struct script *script)
{
    unsigned now = b->second++ % BREACHES_SECONDS;
    struct parking_cause cause;

    b->before[now].calls = script_calls(script);
    b->before[now].failed = b->failed;
    atomic_store_explicit(&b->counts->policy_gc_pause_us, script_gc_pause_us(script),
                          memory_order_relaxed);
    if (parking_remind(b->segment, b->number, STILL_PARKED_MS, clock_steady_ms(), &cause))
        say_parked(b, "policy_still_parked", cause);
}

/* --- one --- */

/* The traceback is made only for those that are told: a script that fails in every call
 * should cost as little as may be. */
void breaches_note(struct breaches *b, struct script *script, enum script_hook hook,
                   enum script_breach breach, const struct binding_call *call)
{
    struct buffer message = {0}, traceback = {0};
    uint64_t suppressed, now_ms = clock_steady_ms();
    unsigned line = 0;

    b->failed++;
    atomic_fetch_add_explicit(&b->counts->policy_errors, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&b->counts->policy_breaches[hook][breach], 1, memory_order_relaxed);
    script_explain(script, hook, breach, &message, &line);
    if (breach == SCRIPT_WRONG)
        buffer_append(&message, call->wrong);
    if (b->heard != NULL) {
        b->heard(b->heard_owner, hook, buffer_slice(&message));
    } else if (complaints_may_say(&b->complaints, hook, breach, line, now_ms, &suppressed)) {
        script_trace(script, &traceback);
        buffer_append_byte(&traceback, '\0');
        say(b, hook, breach, call, buffer_slice(&message), line, buffer_slice(&traceback).start,
            suppressed);
    }
    if (!b->never_parks)
        park(b, script, hook, breach, line, now_ms);
    buffer_dispose(&message);
    buffer_dispose(&traceback);
}
