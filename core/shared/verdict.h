/*
 * verdict - one backend's state, reason and since in one word, and in words.
 */
#ifndef SHARED_VERDICT_H
#define SHARED_VERDICT_H

#include "shared/board.h"

uint64_t verdict_pack(struct board_verdict); /* up:1 reason:4 code:19 since_ms:40 */
struct board_verdict verdict_unpack(uint64_t word);
void verdict_describe(struct buffer *, struct board_verdict);
/* That a backend has changed. Takes the words of the reason, and adds a NUL. */
void verdict_log(bool up, const char *name, const char *address, struct buffer *reason);

#endif
