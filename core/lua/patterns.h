/*
 * patterns - Lua's patterns, matched so that it can be stopped.
 *
 * The library's own functions cannot: a pattern like ".-.-.-b$" may take years, and no hook is
 * looked at meanwhile. The same language here, as Lua 5.1's manual has it (5.4.1), and also "%g",
 * "%f[set]" and NULs in patterns. core/lua/strings.lua makes scripts' string functions of it.
 */
#ifndef LUA_PATTERNS_H
#define LUA_PATTERNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PATTERNS_CAPTURES_MAX = 32 };

enum patterns_outcome {
    PATTERNS_NOT_FOUND = 0,
    PATTERNS_FOUND = 1,
    PATTERNS_STOPPED = -1,   /* it took too long */
    PATTERNS_MALFORMED = -2, /* and the match has an error */
};

enum patterns_flags {
    PATTERNS_ANCHORED = 1, /* a "^" in front holds the match to where the search begins */
    PATTERNS_PLAIN = 2,    /* no character is special */
};

enum { PATTERNS_POSITION = -1 }; /* the length of a capture that is one */

/* The layouts are also declared in core/lua/strings.lua: change both. */
struct patterns_search {
    const char *text;
    size_t length;
    const char *pattern;
    size_t pattern_length;
    size_t from; /* in the text: the match begins there or later */
    uint32_t flags;
};

struct patterns_match {
    int32_t first, last; /* bytes, from 1; last < first: an empty match */
    int32_t captures;
    int32_t starts[PATTERNS_CAPTURES_MAX]; /* from 1 */
    int32_t lengths[PATTERNS_CAPTURES_MAX];
    const char *error;
};

/* The first match. Gives an enum patterns_outcome. */
int32_t patterns_find(const struct patterns_search *, struct patterns_match *out);
/* Does it mean the same with and without PATTERNS_PLAIN? */
bool patterns_is_plain(const char *pattern, size_t length);

/* Makes every search stop, also a running one, until it is called with false. May be called in a
 * signal handler. */
void patterns_stop(bool);
/* Searches stop once the thread has used this much CPU time; 0: never. */
void patterns_stop_at(uint64_t thread_cpu_us);

#endif
