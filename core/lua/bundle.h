/*
 * bundle - the texts of the modules that a script has required.
 *
 * Kept with the script's own text, and handed on with it: every process runs the texts that were
 * checked, whatever is in the files by then.
 */
#ifndef LUA_BUNDLE_H
#define LUA_BUNDLE_H

#include "base/buffer.h"
#include "base/check.h"
#include "base/slice.h"

#include <stdbool.h>

struct bundle_module {
    char *name; /* as it is required: "p2c_ewma" */
    char *path; /* of the file, to be watched and for messages; "(built in) .." if it is no file */
    char *text;
    size_t bytes;
    bool is_file;
};

struct bundle { /* all zero: empty */
    struct bundle_module *modules;
    unsigned count;
};

void bundle_dispose(struct bundle *);
/* Copies its arguments. A module that is there already stays as it is. */
void bundle_add(struct bundle *, struct slice name, const char *path, bool is_file,
                struct slice text);
/* A file and a script of lb may have one name. NULL: there is none. */
const struct bundle_module *bundle_find(const struct bundle *, struct slice name, bool is_file);

/* As bytes, to hand it to another process, and back. False if they are none. */
void bundle_write(const struct bundle *, struct buffer *);
bool bundle_read(struct bundle *, struct slice bytes) MUST_USE; /* into an empty one */

#endif
