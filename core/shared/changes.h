/*
 * changes - the last changes of each backend: what it was, what it became, by whom, and why.
 *
 * Whoever changes it notes it, without a lock. What a process that died has left half written fails
 * its hash and is left out.
 */
#ifndef SHARED_CHANGES_H
#define SHARED_CHANGES_H

#include "shared/segment.h"

/* Texts are cut to their room. by: "check", "traffic", "script" or "admin". */
void changes_note(struct segment *, unsigned slot, const char *from, const char *to, const char *by,
                  const char *why);
/* One of before, as it was; bytes behind the texts are 0. */
void changes_put(struct segment *, unsigned slot, const struct change *);
/* The last ones, the newest first; how many there are. */
unsigned changes_read(const struct segment *, unsigned slot, struct change out[CHANGES_KEPT]);
/* What a backend was before its first verdict: "new" if nothing is noted yet. */
const char *changes_before(const struct segment *, unsigned slot, const char *before);
void changes_clear(struct segment *, unsigned slot); /* it is another backend's from now on */

#endif
