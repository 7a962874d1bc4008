/*
 * reloaded - what becomes of reloads, for who has asked for one: the supervisor writes it.
 */
#ifndef SHARED_RELOADED_H
#define SHARED_RELOADED_H

#include "shared/segment.h"

void reloaded_begin(struct segment *, uint64_t now_ms);
void reloaded_end(struct segment *, const struct reloaded *);

uint64_t reloaded_count(const struct segment *);    /* that are over */
uint64_t reloaded_since_ms(const struct segment *); /* one is under way; 0: none is */
/* What became of the last one. False: another one has ended this moment. */
bool reloaded_read(const struct segment *, struct reloaded *out) MUST_USE;

#endif
