#include "policy/breaches.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

const char *breaches_script_name(const struct config *config)
{
    const char *slash = strrchr(config->script_path, '/');

    return slash != NULL ? slash + 1 : config->script_path;
}

void breaches_init(struct breaches *b, const struct config *config, struct segment *segment,
                   unsigned worker)
{
    *b = (struct breaches){.script_name = breaches_script_name(config),
                           .counts = &segment->workers[worker]};
}

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

/* The traceback is made only for those that are told: a script that fails in every call
 * should cost as little as may be. */
void breaches_note(struct breaches *b, struct script *script, enum script_hook hook,
                   enum script_breach breach, const struct binding_call *call)
{
    struct buffer message = {0}, traceback = {0};
    uint64_t suppressed;
    unsigned line = 0;

    atomic_fetch_add_explicit(&b->counts->policy_errors, 1, memory_order_relaxed);
    script_explain(script, hook, breach, &message, &line);
    if (breach == SCRIPT_WRONG)
        buffer_append(&message, call->wrong);
    if (complaints_may_say(&b->complaints, hook, breach, line, clock_steady_ms(), &suppressed)) {
        script_trace(script, &traceback);
        buffer_append_byte(&traceback, '\0');
        say(b, hook, breach, call, buffer_slice(&message), line, buffer_slice(&traceback).start,
            suppressed);
    }
    buffer_dispose(&message);
    buffer_dispose(&traceback);
}
