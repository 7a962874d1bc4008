#include "upstream/tally.h"

#include "shared/evidence.h"
#include "shared/verdict.h"

#include <string.h>

void tally_init(struct tally *t, const struct config *config, const struct config_backend *backend,
                struct segment *segment)
{
    *t = (struct tally){.config = config, .backend = backend, .segment = segment};
}

void tally_set_words(struct tally *t, struct slice words)
{
    size_t length = words.length < sizeof t->words ? words.length : sizeof t->words - 1;

    if (length > 0)
        memcpy(t->words, words.start, length);
    t->words[length] = '\0';
    t->reason = BOARD_SCRIPT;
    t->code = 0;
}

void tally_describe(const struct tally *t, struct buffer *out)
{
    struct board_verdict v = board_verdict(t->segment, t->backend->slot);

    if (v.reason == BOARD_SCRIPT && t->words[0] != '\0')
        buffer_append_text(out, t->words);
    else
        board_describe(out, v);
}

static void log_change(const struct tally *t, bool up)
{
    struct buffer reason = {0};

    tally_describe(t, &reason);
    verdict_log(up, t->backend->name, t->backend->text, &reason);
    buffer_dispose(&reason);
}

void tally_note_success(struct tally *t, uint64_t started_ms, uint64_t now_ms)
{
    struct board_verdict v = board_verdict(t->segment, t->backend->slot);

    t->failures = 0;
    evidence_note_checked(t->segment, t->backend->slot, started_ms);
    if (v.up)
        return;
    if (v.since_ms != t->down_since_ms) {
        t->successes = 0;
        t->down_since_ms = v.since_ms;
    }
    if (v.reason == BOARD_TRAFFIC && v.since_ms >= started_ms)
        return; /* a worker met its failure after this check had begun */
    t->successes++;
    if (v.reason != BOARD_UNCHECKED && t->successes < t->config->health.rise)
        return;
    if (board_set_up(t->segment, t->backend->slot, t->reason, t->code, now_ms))
        log_change(t, true);
}

void tally_note_failure(struct tally *t, uint64_t now_ms)
{
    struct board_verdict v = board_verdict(t->segment, t->backend->slot);

    t->successes = 0;
    t->failures++;
    if (t->reason == BOARD_SCRIPT)
        numbers_note_error(t->segment, t->backend->slot, t->words, now_ms);
    if (v.up && t->failures < t->config->health.fall)
        return;
    t->failures = 0;
    if (board_set_down(t->segment, t->backend->slot, t->reason, t->code, now_ms))
        log_change(t, false);
}
