/*
 * modules - what `require` finds, and when.
 *
 * A name stands for a file next to the script, in scripts/ next to the script, or for a script that
 * is part of the program. For the latter the order is the other way round: what they require is
 * part of the program, too, whatever files there are. Files are read by the process that reads the
 * script; all others are given the texts that it found, and look nowhere else. core/lua/modules.lua
 * has `require` itself.
 */
#ifndef LUA_MODULES_H
#define LUA_MODULES_H

#include "lua/bundle.h"

#include <lua.h>

enum {
    MODULES_NAME_MAX = 100,     /* bytes of a name */
    MODULES_BYTES_MAX = 4 << 20 /* of one file */
};

struct modules {
    const char *script_path;    /* where to look for files; not used with `given` */
    const struct bundle *given; /* these and no others; NULL: look for files */
    struct bundle *found;       /* what was loaded is added; may be NULL */
};

/* From now on, until it is called with NULL, scripts may load modules; later they get those that
 * they have. Borrowed until then. */
void modules_allow(lua_State *, const struct modules *);

/* For sandbox_open: adds the functions that lua/modules.lua calls to the table on top.
 * find_module: its arguments are a name, and whether a module that is part of the program requires
 * it. Returns the module's function and whether it is part of the program; or nil and where it was
 * looked for; raises what the compiler says, or why a file cannot be read.
 * read_file: lua/files.h. */
void modules_offer(lua_State *);

#endif
