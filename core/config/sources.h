/*
 * sources - where backends come from besides the script: "file:backends.json", "admin"; and the
 * setting discovery, which says how far they are believed.
 */
#ifndef CONFIG_SOURCES_H
#define CONFIG_SOURCES_H

#include "base/buffer.h"
#include "config/config.h"

struct fields;

bool sources_is(struct slice text); /* that of a source, and no address? */
/* One more. False, and what is wrong with it. */
bool sources_add(struct config *, struct slice text, struct buffer *wrong) MUST_USE;

/* Of the table discovery: what is no number. */
extern const char *const sources_names[];
void sources_read(struct config *, struct fields *table);
void sources_print(const struct config *, struct buffer *);

#endif
