/*
 * files - lb.file: what a small file holds.
 *
 * A file may be on a disk that hangs, so none is read while requests wait: only while a script is
 * loaded, and in the monitor (SANDBOX_MONITOR is noted there).
 */
#ifndef LUA_FILES_H
#define LUA_FILES_H

#include <lua.h>

enum { FILES_BYTES_MAX = 1 << 20 };

/* A lua_CFunction, for core/lua/modules.lua: the text of the file at a path; or nil and why. Raises
 * an error where none may be read. */
int files_read(lua_State *);

#endif
