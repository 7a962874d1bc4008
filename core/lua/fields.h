/*
 * fields - typed reads from a Lua table, with messages that name the place: "backends[2].weight:
 * expected a number, got a string".
 *
 * Every read is raw, so a metatable that a script hides in its settings does not matter. The first
 * thing that is wrong is kept, and from then on all reads find nothing; so a caller may read on and
 * ask once at the end. Strings live as long as their tables. Lua may run out of memory here: call
 * it all protected.
 */
#ifndef LUA_FIELDS_H
#define LUA_FIELDS_H

#include "base/buffer.h"
#include "base/slice.h"

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

enum { FIELDS_PATH_BYTES = 256 };

struct fields_wrong { /* all zero: nothing yet */
    bool is_set;
    char path[FIELDS_PATH_BYTES]; /* of the field, "backends[2].weight"; "" is the table itself */
    struct buffer message;        /* with the path, without file and line; the owner disposes */
};

struct fields { /* a table that is being read */
    lua_State *lua;
    int index;             /* of the table on the Lua stack */
    struct fields *parent; /* NULL: the outermost */
    const char *name;      /* in the parent; NULL: an element of a list */
    unsigned position;     /* as which element, from 1 */
    struct fields_wrong *wrong;
};

enum fields_type {
    FIELDS_NOTHING, /* nil, or something was wrong before */
    FIELDS_BOOLEAN,
    FIELDS_NUMBER,
    FIELDS_TEXT,
    FIELDS_TABLE,
    FIELDS_FUNCTION,
    FIELDS_OTHER,
};

struct fields_range {
    double least, most;
    bool or_zero;     /* 0 is fine too */
    bool is_whole;    /* 1.5 is not */
    const char *unit; /* "seconds"; NULL: none */
};

/* In all of these name NULL means the element at that position. */

/* The table on top of the Lua stack, which stays there. */
void fields_root(struct fields *, lua_State *, struct fields_wrong *);

/* A field that is a table: pushed, until fields_leave. False if there is none. */
bool fields_enter(struct fields *child, struct fields *parent, const char *name, unsigned position);
void fields_leave(struct fields *child);

/* Is every name one of these? The list ends with NULL. */
bool fields_check_names(struct fields *, const char *const *known);
/* The same, and besides one value without a name, the first. */
bool fields_check_entry(struct fields *, const char *const *known);
/* Is every key a whole number from least to most, or this name? what: the same, in words. */
bool fields_check_positions(struct fields *, unsigned least, unsigned most, const char *name,
                            const char *what);
/* How many elements has the list? 0 and something wrong if it is none: it has names or gaps, or
 * more than limit elements. */
unsigned fields_count(struct fields *list, unsigned limit);

enum fields_type fields_type(struct fields *, const char *name, unsigned position);
/* False, and *out as it was, if there is nothing or something wrong. */
bool fields_number(struct fields *, const char *name, unsigned position,
                   const struct fields_range *, double *out);
bool fields_text(struct fields *, const char *name, unsigned position, struct slice *out);
/* A text or a list of at most that many: read is called for each. For anything else expected says
 * what could be there. */
typedef void fields_read(void *owner, struct fields *, const char *name, unsigned position);
void fields_texts(struct fields *, const char *name, unsigned most, fields_read *, void *owner,
                  const char *expected);
bool fields_flag(struct fields *, const char *name, bool *out);
/* Which of these texts it is, from 0; the list ends with NULL. */
bool fields_choice(struct fields *, const char *name, const char *const *choices, unsigned *out);
bool fields_function(struct fields *, const char *name);

/* The names of a table that has nothing else: for each one, an empty slice first; false after the
 * last. expected: what is said of a key that is no name, "names, as in { ["a.b"] = {} }". */
bool fields_next_name(struct fields *, struct slice *key, const char *expected);
/* The pairs of a table whose names and values are texts, one with each call: with an empty key at
 * first. False after the last. */
bool fields_next_pair(struct fields *, struct slice *key, struct slice *value);

/* "<path>: expected <what>, got <the field's type>". */
void fields_expected(struct fields *, const char *name, unsigned position, const char *what);
/* "<path>: <message>"; the path is the table's own if name is NULL and position 0. */
void fields_fail(struct fields *, const char *name, unsigned position, const char *format, ...)
    PRINTF(4, 5);

#endif
