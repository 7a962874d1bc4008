#include "process/announce.h"

#include "base/log.h"
#include "config/command_line.h"
#include "config/tls.h"
#include "net/tls_selftest.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void announce_records(const struct config *c)
{
    const char *why = NULL;

    if (tls_is_used(c) && c->tls.records == CONFIG_RECORDS_OWN)
        why = tls_selftest_why(); /* here, so that workers need not test */
    if (why != NULL)
        log_event(LOG_WARN, "tls_records", LOG_PAIRS({"why", why}),
                  "OpenSSL makes the records of TLS 1.3, which lb tried to make: %s", why);
}

void announce_start(const struct config *c, bool is_watched)
{
    struct buffer why = {0};
    struct log_pair pairs[] = {{"version", VERSION},
                               {"script", c->script_path},
                               {"fallback", config_fallback_names[c->fallback]},
                               {"#workers", LOG_NUMBER(c->workers)},
                               {"#memory", LOG_NUMBER(config_memory_part(c) * c->workers)},
                               {"#pid", LOG_NUMBER(getpid())},
                               {"#watched", is_watched ? "true" : "false"},
                               {c->overridden != NULL ? "overridden" : NULL, c->overridden},
                               {NULL, NULL}};

    config_explain_fallback(c, &why);
    log_event(LOG_INFO, "start", pairs,
              "lb %s starts with %s, %swatched: %u worker%s, %u backend%s, pid %d, fallback \"%s\" "
              "(%s)%s%s",
              VERSION, c->script_path, is_watched ? "" : "not ", c->workers,
              c->workers == 1 ? "" : "s", c->backends_count, c->backends_count == 1 ? "" : "s",
              (int)getpid(), config_fallback_names[c->fallback], buffer_text(&why),
              c->overridden != NULL ? ", " : "", c->overridden != NULL ? c->overridden : "");
    if (c->plain_by != NULL) {
        buffer_clear(&why);
        config_explain_plain(c, &why);
        log_event(LOG_WARN, "tls_unused", LOG_PAIRS({"by", c->plain_by}), "%s", buffer_text(&why));
    }
    buffer_dispose(&why);
    announce_records(c);
}

void announce_listening(const struct sockets *sockets, unsigned address)
{
    bool is_proxied = sockets->config->listen[address].proxy;
    bool has_tls = sockets->config->listen[address].tls;
    struct log_pair pairs[] = {{"address", NULL}, {NULL, NULL}, {NULL, NULL}, {NULL, NULL}};
    struct log_pair *next = &pairs[1];
    struct buffer room = {0};

    sockets_format(sockets, address, &room);
    pairs[0].value = buffer_text(&room);
    if (is_proxied)
        *next++ = (struct log_pair){"#proxy", "true"};
    if (has_tls)
        *next = (struct log_pair){"#tls", "true"};
    log_event(LOG_INFO, "listening", pairs, "listening on %s%s%s", pairs[0].value,
              has_tls ? " with TLS" : "", is_proxied ? ", for PROXY headers" : "");
    buffer_dispose(&room);
}

void announce_beside(const struct sockets *sockets)
{
    const char *pid = LOG_NUMBER(sockets->beside);

    if (sockets->beside != 0)
        log_event(LOG_WARN, "beside", LOG_PAIRS({"#other", pid}),
                  "another lb, process %s, listens at the same address: both get new connections, "
                  "each by its own settings. If this one is to replace it: kill %s, once this one "
                  "listens. If not: stop this one, and give it another --listen",
                  pid, pid);
}

void announce_missing(unsigned missing, unsigned workers, unsigned after_ms)
{
    log_event(LOG_ERROR, "workers_missing", LOG_PAIRS({"count", LOG_NUMBER(missing)}),
              "%u of %u workers are not ready after %u s: new connections go to the others",
              missing, workers, after_ms / 1000);
}

void announce_hung(const struct child *child, const char *event, uint64_t still_ms,
                   bool is_replaced)
{
    const char *pid = LOG_NUMBER(child->pid), *seconds = LOG_SECONDS(still_ms);

    log_event(LOG_ERROR, event,
              LOG_PAIRS({"child", child->name}, {"#pid", pid}, {"#seconds", seconds}),
              "%s (pid %s) has stood still for %s s: it is killed%s", child->name, pid, seconds,
              is_replaced ? ", another takes its place" : "");
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
    else
        log_event(LOG_WARN, "watch_failed", LOG_PAIRS({limit != NULL ? "limit" : NULL, limit}),
                  "no inotify: %s%s%s. So %s is looked at once a second, and loaded again when it "
                  "was saved",
                  limit != NULL ? "the limit " : "", limit != NULL ? limit : strerror(error),
                  limit != NULL ? " is reached" : "", script);
}

bool announce_reopened(void)
{
    struct buffer room = {0};
    int opened = log_reopen(&room);
    const char *files = buffer_text(&room);

    if (opened > 0)
        log_event(LOG_INFO, "log_reopened", LOG_PAIRS({"files", files}), "opened again: %s", files);
    else if (opened < 0)
        log_event(LOG_INFO, "log_reopened", LOG_PAIRS({"files", files}),
                  "nothing was opened again: no log is a file that has a path here");
    buffer_dispose(&room);
    return opened > 0;
}
