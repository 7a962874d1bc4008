#include "health/tally.h"

#include "shared/changes.h"
#include "shared/evidence.h"

#include <errno.h>
#include <stdio.h>

void tally_init(struct tally *t, const struct config *config, const struct config_backend *backend,
                struct segment *segment)
{
    *t = (struct tally){.config = config, .backend = backend, .segment = segment};
}

/* --- counts --- */

enum { COUNT_BITS = 12, COUNT_MAX = (1 << COUNT_BITS) - 1, TIME_BITS = 40 };

struct counts {
    uint64_t successes, failures; /* in a row */
    uint64_t down_since_ms;       /* which down the successes are counted for */
};

static struct counts counts_read(const struct tally *t)
{
    uint64_t word = atomic_load(&t->segment->backends[t->backend->slot].checks);

    return (struct counts){.successes = word >> (TIME_BITS + COUNT_BITS),
                           .failures = word >> TIME_BITS & COUNT_MAX,
                           .down_since_ms = word & ((1ull << TIME_BITS) - 1)};
}

static uint64_t bounded(uint64_t count)
{
    return count < COUNT_MAX ? count : COUNT_MAX;
}

static void counts_write(const struct tally *t, struct counts c)
{
    _Atomic uint64_t *checks = &t->segment->backends[t->backend->slot].checks;
    uint64_t word = bounded(c.successes) << (TIME_BITS + COUNT_BITS) |
                    bounded(c.failures) << TIME_BITS |
                    (c.down_since_ms & ((1ull << TIME_BITS) - 1));

    if (atomic_load(checks) != word)
        atomic_store(checks, word);
}

/* --- verdicts --- */

void tally_set_words(struct tally *t, struct slice words)
{
    snprintf(t->words, sizeof t->words, "%.*s", (int)words.length, words.start);
    t->reason = VERDICT_SCRIPT;
    t->code = 0;
}

void tally_set_tls(struct tally *t, const char *why)
{
    snprintf(t->words, sizeof t->words, "TLS: %s", why);
}

void tally_describe(const struct tally *t, struct buffer *out)
{
    struct verdict v = board_verdict(t->segment, t->backend->slot);
    bool is_tls = v.reason == VERDICT_CONNECT && v.code == -EPROTO;

    if ((v.reason == VERDICT_SCRIPT || is_tls) && t->words[0] != '\0')
        buffer_append_text(out, t->words);
    else
        verdict_describe(out, v);
}

static void log_change(const struct tally *t, bool up)
{
    struct buffer reason = {0};

    tally_describe(t, &reason);
    changes_note(t->segment, t->backend->slot,
                 changes_before(t->segment, t->backend->slot, up ? "down" : "up"),
                 up ? "up" : "down", "check", buffer_text(&reason));
    verdict_log(up, t->backend->name, t->backend->text, &reason);
    buffer_dispose(&reason);
}

/* A worker has met something else after this check had begun. */
static bool is_older_than_traffic(struct verdict v, uint64_t started_ms)
{
    return v.reason == VERDICT_TRAFFIC && v.since_ms >= started_ms;
}

void tally_note_success(struct tally *t, uint64_t started_ms, uint64_t now_ms)
{
    struct verdict v = board_verdict(t->segment, t->backend->slot);
    struct counts c = counts_read(t);
    bool is_older = is_older_than_traffic(v, started_ms);

    atomic_fetch_add(&t->segment->backends[t->backend->slot].checks_passed, 1);
    evidence_note_checked(t->segment, t->backend->slot, started_ms);
    if (v.up) {
        counts_write(t, (struct counts){0});
        return;
    }
    if (v.since_ms != c.down_since_ms)
        c.successes = 0;
    c.successes += !is_older;
    counts_write(t, (struct counts){.successes = c.successes, .down_since_ms = v.since_ms});
    if (is_older || (v.reason != VERDICT_UNCHECKED && c.successes < t->config->health.rise))
        return;
    if (board_set_up(t->segment, t->backend->slot, t->reason, t->code, now_ms))
        log_change(t, true);
}

void tally_note_failure(struct tally *t, uint64_t started_ms, uint64_t now_ms)
{
    struct verdict v = board_verdict(t->segment, t->backend->slot);
    uint64_t failures = counts_read(t).failures + 1;
    bool is_enough = !v.up || failures >= t->config->health.fall;

    atomic_fetch_add(&t->segment->backends[t->backend->slot].checks_failed, 1);
    if (is_older_than_traffic(v, started_ms))
        return;
    counts_write(t, (struct counts){.failures = is_enough ? 0 : failures});
    if (t->reason == VERDICT_SCRIPT)
        numbers_note_error(t->segment, t->backend->slot, t->words, now_ms);
    if (is_enough && board_set_down(t->segment, t->backend->slot, t->reason, t->code, now_ms))
        log_change(t, false);
}
