/*
 * upgraded - what becomes of upgrades to another program, for who has asked for one: the supervisor
 * writes it, that of the program before or that of the next. It is in the segment, which both have
 * if its layout is the same.
 */
#ifndef SHARED_UPGRADED_H
#define SHARED_UPGRADED_H

#include "shared/segment.h"

void upgraded_begin(struct segment *, uint64_t now_ms);
/* why: when it is not UPGRADED_DONE. version: of the program that serves now. */
void upgraded_end(struct segment *, enum upgraded_outcome, uint64_t ms, const char *version,
                  const char *why);

uint64_t upgraded_count(const struct segment *);    /* that are over */
uint64_t upgraded_since_ms(const struct segment *); /* one is under way; 0: none is */
/* What became of the last one. False: another one has begun or ended this moment. */
bool upgraded_read(const struct segment *, struct upgraded *out) MUST_USE;

#endif
