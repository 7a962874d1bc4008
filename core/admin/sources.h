/*
 * sources - what the sources of backends have found, and the list that a person gives.
 */
#ifndef ADMIN_SOURCES_H
#define ADMIN_SOURCES_H

#include "admin/answer.h"

/* PUT /backends: a list for the source "admin". The monitor takes it, if it believes it. */
enum answer_step sources_put(struct answer *, struct buffer *out);

/* What a roster_entry's `source` is called: "script", "file:backends.json". */
const char *sources_name(const struct segment *, uint32_t source);
/* How many seconds ago the lists were heard that are of the file of --state still; 0: none is. */
uint64_t sources_stale_s(const struct segment *);
/* Has one of them no list yet, and none of an earlier time either? */
bool sources_lack_list(const struct segment *);

#endif
