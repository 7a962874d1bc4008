/* reload_child - what the child does that tries a script. */
#include "base/log.h"
#include "config/load.h"
#include "config/output.h"
#include "config/tls.h"
#include "lab/rehearsal.h"
#include "reload/reload.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool same_listen(const struct config *a, const struct config *b)
{
    if (a->listen_count != b->listen_count)
        return false;
    for (unsigned i = 0; i < a->listen_count; i++)
        if (a->listen[i].proxy != b->listen[i].proxy || a->listen[i].tls != b->listen[i].tls ||
            a->listen[i].h2c != b->listen[i].h2c ||
            strcmp(a->listen[i].written, b->listen[i].written) != 0)
            return false;
    return true;
}

/* Listeners stay as they are: those with TLS would have no certificates. */
static bool keeps_tls(const struct config *config, const struct config *first, struct buffer *error)
{
    if (!tls_is_used(first) || tls_is_used(config))
        return true;
    buffer_printf(error,
                  "%s: listen: what listens with TLS cannot change while lb runs, and without "
                  "tls = true there are no certificates for it: restart lb",
                  config->script_path);
    return false;
}

static _Noreturn void leave(struct reload *r, struct buffer *error)
{
    struct buffer line = {0};

    if (error != NULL) {
        log_append_escaped(&line, buffer_slice(error), RELOAD_MESSAGE_BYTES - 100, LOG_TEXT);
        snprintf(r->report->message, sizeof r->report->message, "%s", buffer_text(&line));
    }
    log_close();
    _exit(error == NULL ? 0 : 2);
}

_Noreturn void reload_run_child(struct reload *r)
{
    struct segment *segment = segment_new(); /* what the script counts here nobody sees */
    struct buffer error = {0};
    struct config *config = NULL;

    signals_deliver();
    log_mute(); /* "ejected by the script" would not be true */
    if (segment == NULL)
        buffer_append_text(&error, "no memory to try the script");
    else
        config = config_load_file(r->options->script, &r->options->given, segment, &error);
    if (config == NULL)
        leave(r, &error);
    r->report->workers_differ = config->workers != r->first->workers;
    config->workers =
        r->first->workers; /* the number stays, and so does each worker's part of memory */
    config->workers_auto = r->first->workers_auto;
    r->report->log_differs = output_differs(config, r->first);
    output_keep(config, r->first);
    if (!keeps_tls(config, r->first, &error) || !rehearsal_passes(config, &error) ||
        !edition_draft(r->edition, config, &error))
        leave(r, &error);
    r->report->check_ms = config->health.timeout_ms;
    r->report->first_list_ms = config->sources_count > 0 ? RELOAD_FIRST_LIST_MS : 0;
    r->report->budget_ms = config->script_limits.budget_ms;
    r->report->listen_differs = !same_listen(config, r->first);
    r->report->is_good = true;
    leave(r, NULL);
}

/* --- told --- */

void reload_list_kept(const struct reload_report *report, const char *between,
                      char what[KEPT_BYTES])
{
    const struct {
        bool differs;
        const char *name;
    } kept[] = {{report->listen_differs, "listen"},
                {report->workers_differ, "workers"},
                {report->log_differs, "log.file"},
                {report->log_differs, "log.format"}};

    what[0] = '\0';
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        if (!kept[i].differs)
            continue;
        strcat(what, what[0] != '\0' ? between : "");
        strcat(what, kept[i].name);
    }
}
