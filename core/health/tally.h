/*
 * tally - what the checks of one backend have come to: counts to rise and fall, and
 * publishes verdicts on the board.
 *
 * The first check sets the state; from then on health.rise successes in a row bring
 * the backend up and health.fall failures in a row take it down. If a worker has
 * marked it down, the count to rise starts over. The counts are in the segment, so a
 * monitor that takes the place of another, after a reload say, continues with them.
 */
#ifndef HEALTH_TALLY_H
#define HEALTH_TALLY_H

#include "base/buffer.h"
#include "config/config.h"
#include "shared/backend_numbers.h"
#include "shared/board.h"

struct tally {
    const struct config *config;
    const struct config_backend *backend;
    struct segment *segment;

    /* Of the check that is under way; set by what makes it: */
    enum verdict_reason reason;
    int code;
    char words[NUMBERS_ERROR_BYTES]; /* what a VERDICT_SCRIPT means, or why TLS failed */
};

void tally_init(struct tally *, const struct config *, const struct config_backend *,
                struct segment *);
/* The reason is VERDICT_SCRIPT, and these are its words: copied, and cut off where they are too
 * long for the board. */
void tally_set_words(struct tally *, struct slice words);
/* A handshake of TLS has failed, which is VERDICT_CONNECT with EPROTO: these words say why. */
void tally_set_tls(struct tally *, const char *why);
/* The check that began at started_ms went well, or did not; changes are logged. */
void tally_note_success(struct tally *, uint64_t started_ms, uint64_t now_ms);
void tally_note_failure(struct tally *, uint64_t started_ms, uint64_t now_ms);
/* Why the backend is in the state it is in, no matter who said so. */
void tally_describe(const struct tally *, struct buffer *);

#endif
