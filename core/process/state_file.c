/*
 *   "lb state 1\n"   hash of what follows: 8   records (shared/lasting.h)
 */
#include "process/state_file.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "os/whole_file.h"
#include "process/state_lists.h"
#include "shared/lasting.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LOOK_MS = 10000,
    CODES_MOST = 255,
    BYTES_MAX = 128 << 20 /* 65,536 long texts, and all backends */
};

#define HEAD SLICE("lb state 1\n")

void state_file_open(struct state_file *f, const char *path, const struct config *config,
                     struct segment *segment, const struct slots *slots, struct children *children,
                     unsigned writer)
{
    *f = (struct state_file){.path = path,
                             .config = config,
                             .children = children,
                             .writer = writer,
                             .segment = segment,
                             .slots = slots,
                             .zero_ms = clock_wall_us() / 1000 - clock_steady_ms()};
}

/* --- reading --- */

/* Why it is none; NULL: it is one, and *records are its. */
static const char *open_records(struct slice text, struct slice *records)
{
    uint64_t hash;
    struct slice rest;
    struct record r;

    if (text.length < HEAD.length || memcmp(text.start, HEAD.start, HEAD.length) != 0)
        return "it is no state of this lb";
    text = slice_from(text, HEAD.length);
    if (text.length < sizeof hash)
        return "it is not whole";
    memcpy(&hash, text.start, sizeof hash);
    rest = *records = slice_from(text, sizeof hash);
    if (hash != hash_add(HASH_START, rest))
        return "it is damaged";
    while (records_next(&rest, &r))
        ;
    return rest.length == 0 ? NULL : "it is damaged";
}

static void put_aside(struct state_file *f, const char *why, bool may_move)
{
    char bad[4096];

    if (may_move && snprintf(bad, sizeof bad, "%s.bad", f->path) < (int)sizeof bad &&
        rename(f->path, bad) == 0) {
        log_event(LOG_ERROR, "state_damaged",
                  LOG_PAIRS({"file", f->path}, {"reason", why}, {"moved_to", bad}),
                  "--state: %s cannot be used: %s. It is %s now; lb starts without it", f->path,
                  why, bad);
        return;
    }
    log_event(
        LOG_ERROR, "state_damaged", LOG_PAIRS({"file", f->path}, {"reason", why}),
        "--state: %s cannot be used: %s. lb starts without it and keeps nothing; move it away "
        "and start lb again",
        f->path, why);
    f->path = NULL;
}

void state_file_read(struct state_file *f)
{
    struct buffer text = {0};
    struct slice records;
    const char *why;

    if (f->path == NULL)
        return;
    if (whole_file_read(f->path, BYTES_MAX, &text) == 0) {
        why = open_records(buffer_slice(&text), &records);
        if (why == NULL) {
            lasting_read(f->segment, f->slots, f->zero_ms, records);
            state_lists_read(f->segment, f->config, records);
            f->hash = hash_add(HASH_START, records);
        } else {
            put_aside(f, why, true);
        }
    } else if (errno != ENOENT && errno != ENOTDIR) { /* writing says it, if that fails, too */
        int error = errno;

        put_aside(f, error == EPERM ? "it belongs to another user" : strerror(error),
                  error != EISDIR && error != EINVAL);
    }
    buffer_dispose(&text);
}

/* --- writing --- */

/* why: it cannot be written; NULL: it is. */
static void tell(struct state_file *f, const char *why)
{
    if ((why != NULL) == f->is_failing)
        return;
    f->is_failing = why != NULL;
    if (why != NULL)
        log_event(LOG_ERROR, "state_failed", LOG_PAIRS({"file", f->path}, {"reason", why}),
                  "--state: cannot write %s: %s; what persons set is lost if lb ends now. Trying "
                  "again every %d s",
                  f->path, why, LOOK_MS / 1000);
    else
        log_event(LOG_INFO, "state_written", LOG_PAIRS({"file", f->path}),
                  "--state: %s can be written again", f->path);
}

/* What the file is to have, into f->text and f->writes. False: it has that. */
static bool has_news(struct state_file *f)
{
    struct buffer records = {0};

    lasting_write(f->segment, f->slots, f->zero_ms, &records);
    state_lists_write(f->segment, &records);
    f->writes = hash_add(HASH_START, buffer_slice(&records));
    if (f->writes != f->hash) {
        buffer_append(&f->text, HEAD);
        buffer_append(&f->text, (struct slice){(const char *)&f->writes, sizeof f->writes});
        buffer_append(&f->text, buffer_slice(&records));
    }
    buffer_dispose(&records);
    return f->writes != f->hash;
}

void state_file_write(struct state_file *f)
{
    int status;

    if (f->path == NULL || !has_news(f))
        return;
    status = whole_file_write(f->path, buffer_slice(&f->text));
    tell(f, status != 0 ? strerror(errno) : NULL);
    f->hash = status == 0 ? f->writes : f->hash;
    buffer_dispose(&f->text);
}

/* --- by a child --- */

static bool is_writing(const struct state_file *f)
{
    return f->children->list[f->writer].pid != 0;
}

_Noreturn void state_file_run_writer(struct state_file *f)
{
    int status = whole_file_write(f->path, buffer_slice(&f->text));

    _exit(status == 0 ? 0 : errno < CODES_MOST ? errno : CODES_MOST);
}

void state_file_on_written(struct state_file *f, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        f->hash = f->writes;
        tell(f, NULL);
    } else {
        tell(f, WIFEXITED(status) ? strerror(WEXITSTATUS(status)) : "the writer was killed");
    }
}

void state_file_end_writer(struct state_file *f)
{
    if (f->path != NULL && is_writing(f))
        kill(f->children->list[f->writer].pid, SIGKILL);
}

void state_file_step(struct state_file *f)
{
    uint64_t now_ms = clock_steady_ms();

    if (f->path == NULL || now_ms < f->next_ms)
        return;
    f->next_ms = now_ms + LOOK_MS;
    if (is_writing(f)) {
        tell(f, "the disk stands still");
    } else if (has_news(f)) {
        children_start(f->children, f->writer);
        f->children->list[f->writer].start_at_ms = UINT64_MAX; /* else in its turn */
    }
    buffer_dispose(&f->text);
}

uint64_t state_file_next_ms(const struct state_file *f)
{
    return f->path == NULL ? UINT64_MAX : f->next_ms;
}
