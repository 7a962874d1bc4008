#include "process/announce.h"

#include "base/log.h"
#include "process/version.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void announce_start(const struct config *c)
{
    struct buffer why = {0};
    struct log_pair pairs[] = {{"version", VERSION},
                               {"script", c->script_path},
                               {"fallback", config_fallback_names[c->fallback]},
                               {"#workers", LOG_NUMBER(c->workers)},
                               {"#memory", LOG_NUMBER(config_memory_part(c) * c->workers)},
                               {"#pid", LOG_NUMBER(getpid())},
                               {NULL, NULL},
                               {NULL, NULL}};
    const char *overridden = c->overridden != NULL ? c->overridden : "";

    if (c->overridden != NULL)
        pairs[sizeof pairs / sizeof *pairs - 2] = (struct log_pair){"overridden", overridden};
    config_explain_fallback(c, &why);
    buffer_append_byte(&why, '\0');
    log_event(LOG_INFO, "start", pairs,
              "lb %s starts with %s: %u worker%s, %u backend%s, pid %d, fallback \"%s\" (%s)%s%s",
              VERSION, c->script_path, c->workers, c->workers == 1 ? "" : "s", c->backends_count,
              c->backends_count == 1 ? "" : "s", (int)getpid(), config_fallback_names[c->fallback],
              buffer_slice(&why).start, c->overridden != NULL ? ", " : "", overridden);
    buffer_dispose(&why);
}

void announce_listening(const struct sockets *sockets, unsigned address)
{
    struct buffer text = {0};
    bool is_proxied = sockets->config->listen[address].proxy;
    struct log_pair pairs[] = {{"address", NULL}, {NULL, NULL}, {NULL, NULL}};

    sockets_format(sockets, address, &text);
    buffer_append_byte(&text, '\0');
    pairs[0].value = buffer_slice(&text).start;
    if (is_proxied)
        pairs[1] = (struct log_pair){"#proxy", "true"};
    log_event(LOG_INFO, "listening", pairs, "listening on %s%s", pairs[0].value,
              is_proxied ? ", for PROXY headers" : "");
    buffer_dispose(&text);
}

void announce_missing(unsigned missing, unsigned workers, unsigned after_ms)
{
    log_event(LOG_ERROR, "workers_missing", LOG_PAIRS({"count", LOG_NUMBER(missing)}),
              "%u of %u workers are not ready after %u s: new connections go to the others",
              missing, workers, after_ms / 1000);
}

void announce_hung(const struct child *child, bool is_monitor, uint64_t still_ms)
{
    const char *pid = LOG_NUMBER(child->pid), *seconds = LOG_SECONDS(still_ms);

    log_event(LOG_ERROR, is_monitor ? "monitor_hung" : "worker_hung",
              LOG_PAIRS({"child", child->name}, {"#pid", pid}, {"#seconds", seconds}),
              "%s (pid %s) has stood still for %s s: it is killed, another takes its place",
              child->name, pid, seconds);
}

/* EMFILE may be either limit: where another descriptor can be had it was that of inotify. */
static const char *limit_of_watching(int error)
{
    int fd;

    if (error == ENOSPC)
        return "fs.inotify.max_user_watches";
    if (error != EMFILE)
        return NULL;
    fd = dup(STDERR_FILENO);
    if (fd < 0)
        return "open files (ulimit -n)";
    close(fd);
    return "fs.inotify.max_user_instances";
}

void announce_watch(const char *script, int status)
{
    int error = errno;
    const char *limit = status != 0 ? limit_of_watching(error) : NULL;

    if (status == 0)
        log_event(LOG_INFO, "watch", NULL, "%s is loaded again when it is saved", script);
    else if (limit != NULL)
        log_event(
            LOG_WARN, "watch_failed", LOG_PAIRS({"limit", limit}),
            "no inotify: the limit %s is reached. So %s is looked at once a second, and loaded "
            "again when it was saved",
            limit, script);
    else
        log_event(
            LOG_WARN, "watch_failed", NULL,
            "no inotify: %s. So %s is looked at once a second, and loaded again when it was saved",
            strerror(error), script);
}

bool announce_reopened(void)
{
    struct buffer files = {0};
    int opened = log_reopen(&files);
    struct log_pair pairs[] = {{"files", NULL}, {NULL, NULL}};

    buffer_append_byte(&files, '\0');
    pairs[0].value = buffer_slice(&files).start;
    if (opened > 0)
        log_event(LOG_INFO, "log_reopened", pairs, "opened again: %s", pairs[0].value);
    else if (opened < 0)
        log_event(LOG_INFO, "log_reopened", pairs,
                  "nothing was opened again: no log is a file that has a path here");
    buffer_dispose(&files);
    return opened > 0;
}
