/*
 * source - the line of a script on which a setting stands, or a call.
 *
 * Lua's tables do not remember it, so the text is read again: its words, strings and brackets, not
 * its meaning. Understands a returned table, a returned variable ("local M = {} M.health = ...
 * return M") and tables in variables; comments, long strings and functions do not confuse it.
 */
#ifndef CONFIG_SOURCE_H
#define CONFIG_SOURCE_H

#include "base/slice.h"

/* The line, from 1, of "health.interval" or "backends[2].port", or of the
 * innermost table of that path that was found; 0 if nothing was. */
unsigned source_find_line(struct slice source, const char *path);
/* Is it there, with all of its path? */
bool source_has(struct slice source, const char *path);

struct source_twice {
    struct slice name;      /* in the source */
    unsigned first, second; /* the lines; 0: no name is there twice */
};

/* A name that the returned table, or one in it, has twice: Lua keeps the last without a word. */
struct source_twice source_find_twice(struct slice source);
/* The first line with that method of anything: "ctx:reject(403)", "ctx.reject", "ctx['reject']"; 0:
 * none. Comments and strings do not count. */
unsigned source_find_method(struct slice source, const char *name);

#endif
