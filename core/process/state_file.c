/*
 *   "lb state 1\n"   hash of what follows: 8   records (shared/lasting.h)
 */
#include "process/state_file.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "os/whole_file.h"
#include "shared/lasting.h"

#include <errno.h>
#include <stdio.h>

enum { LOOK_MS = 10000, BYTES_MAX = 128 << 20 /* 65,536 long texts, and all backends */ };

#define HEAD SLICE("lb state 1\n")

void state_file_open(struct state_file *f, const char *path, struct segment *segment,
                     const struct slots *slots)
{
    *f = (struct state_file){.path = path,
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

static void tell(struct state_file *f, bool is_failing, int error)
{
    if (is_failing == f->is_failing)
        return;
    f->is_failing = is_failing;
    if (is_failing)
        log_event(LOG_ERROR, "state_failed",
                  LOG_PAIRS({"file", f->path}, {"reason", strerror(error)}),
                  "--state: cannot write %s: %s; what persons set is lost if lb ends now. Trying "
                  "again every %d s",
                  f->path, strerror(error), LOOK_MS / 1000);
    else
        log_event(LOG_INFO, "state_written", LOG_PAIRS({"file", f->path}),
                  "--state: %s can be written again", f->path);
}

void state_file_write(struct state_file *f)
{
    struct buffer records = {0}, text = {0};
    uint64_t hash;

    if (f->path == NULL)
        return;
    lasting_write(f->segment, f->slots, f->zero_ms, &records);
    hash = hash_add(HASH_START, buffer_slice(&records));
    if (hash != f->hash) {
        int status;

        buffer_append(&text, HEAD);
        buffer_append(&text, (struct slice){(const char *)&hash, sizeof hash});
        buffer_append(&text, buffer_slice(&records));
        status = whole_file_write(f->path, buffer_slice(&text));
        tell(f, status != 0, errno);
        f->hash = status == 0 ? hash : f->hash;
    }
    buffer_dispose(&records);
    buffer_dispose(&text);
}

void state_file_step(struct state_file *f)
{
    uint64_t now_ms = clock_steady_ms();

    if (f->path == NULL || now_ms < f->next_ms)
        return;
    f->next_ms = now_ms + LOOK_MS;
    state_file_write(f);
}

uint64_t state_file_next_ms(const struct state_file *f)
{
    return f->path == NULL ? UINT64_MAX : f->next_ms;
}
