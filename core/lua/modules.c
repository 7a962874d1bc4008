/*
 * The build makes build/library.h, which the Makefile has the compiler read ahead of this file:
 * LIBRARY(X) is X(id, name, path) for each file of the folder scripts/, which are parts of the
 * program, so that require "p2c_ewma" needs no files.
 */
#include "lua/modules.h"

#include "base/file.h"
#include "base/nearest.h"
#include "lua/embedded.h"
#include "lua/files.h"
#include "lua/sandbox.h"

#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = PATH_MAX, ERROR_BYTES = 512 };

void modules_allow(lua_State *lua, const struct modules *modules)
{
    *sandbox_note(lua, SANDBOX_MODULES) = modules;
}

/* "lib.util" in the folder of "conf/balancer.lua" is "conf/lib/util.lua"; false if that is
 * longer than a path can be. */
static bool path_of(const char *script_path, const char *folder, const char *name, char *path)
{
    const char *slash = strrchr(script_path, '/');
    int before = slash != NULL ? (int)(slash - script_path) + 1 : 0;
    int length = snprintf(path, PATH_BYTES, "%.*s%s%s.lua", before, script_path, folder, name);

    if (length < 0 || length >= PATH_BYTES)
        return false;
    for (char *c = path + before + strlen(folder); c < path + length - strlen(".lua"); c++)
        if (*c == '.')
            *c = '/';
    return true;
}

#define EMBED(id, name, path) EMBEDDED(library_##id, path)
LIBRARY(EMBED)

#define ENTRY(id, name, path) {name, embedded_library_##id},

static const struct {
    const char *name;
    struct slice (*text)(void);
} library[] = {LIBRARY(ENTRY)};

enum { LIBRARY_COUNT = sizeof library / sizeof *library };

static const char *library_near(struct slice name)
{
    const char *names[LIBRARY_COUNT];

    for (size_t i = 0; i < LIBRARY_COUNT; i++)
        names[i] = library[i].name;
    return nearest_name(name, names, LIBRARY_COUNT);
}

enum outcome { FOUND, NOT_THERE, WRONG /* the message is pushed */ };

/* Pushes its function. */
static enum outcome compile(lua_State *lua, const struct modules *modules, const char *name,
                            const char *path, bool is_file, struct slice text)
{
    if (modules->found != NULL)
        bundle_add(modules->found, slice_of(name), path, is_file, text);
    return sandbox_load(lua, path, text) == 0 ? FOUND : WRONG;
}

/* Nothing here may raise an error while `text` holds memory, but for want of memory in
 * the state, which ends the load anyway; sandbox_load is protected. */
static enum outcome load_file(lua_State *lua, const struct modules *modules, const char *name,
                              const char *path)
{
    struct buffer text = {0};
    int error = file_read(path, MODULES_BYTES_MAX, &text);
    enum outcome outcome = NOT_THERE;
    char message[ERROR_BYTES];

    if (error == 0)
        outcome = compile(lua, modules, name, path, true, buffer_slice(&text));
    buffer_dispose(&text);
    if (error == 0)
        return outcome;
    if (error == ENOENT || error == ENOTDIR)
        return NOT_THERE;
    snprintf(message, sizeof message, "%.300s: cannot read the module: %s", path,
             error == EFBIG     ? "it has more than 4 MiB"
             : error == ENOTSUP ? "it is no regular file"
                                : strerror(error));
    lua_pushstring(lua, message);
    return WRONG;
}

static enum outcome load_built_in(lua_State *lua, const struct modules *modules, const char *name)
{
    char path[MODULES_NAME_MAX + 32];
    size_t i = 0;

    while (i < LIBRARY_COUNT && strcmp(library[i].name, name) != 0)
        i++;
    if (i == LIBRARY_COUNT)
        return NOT_THERE;
    snprintf(path, sizeof path, "scripts/%s.lua (built in)", name);
    return compile(lua, modules, name, path, false, library[i].text());
}

static enum outcome load_given(lua_State *lua, const struct modules *modules, const char *name,
                               bool is_file)
{
    const struct bundle_module *module = bundle_find(modules->given, slice_of(name), is_file);

    if (module == NULL)
        return NOT_THERE;
    return compile(lua, modules, name, module->path, is_file,
                   (struct slice){module->text, module->bytes});
}

static enum outcome load_from_files(lua_State *lua, const struct modules *modules, const char *name)
{
    static const char *const folders[] = {"", "scripts/"};
    char path[PATH_BYTES];

    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        enum outcome outcome;

        if (!path_of(modules->script_path, folders[i], name, path))
            continue;
        outcome = load_file(lua, modules, name, path);
        if (outcome != NOT_THERE)
            return outcome;
    }
    return NOT_THERE;
}

static enum outcome load(lua_State *lua, const struct modules *modules, const char *name,
                         bool is_file)
{
    if (modules->given != NULL)
        return load_given(lua, modules, name, is_file);
    return is_file ? load_from_files(lua, modules, name) : load_built_in(lua, modules, name);
}

/* What lb has in place of a module that is looked for by habit; NULL: nothing. */
static const char *own_of(const char *name)
{
    static const struct {
        const char *part, *own;
    } owns[] = {{"json", "lb.json"},    {"redis", "lb.tcp, or the script redis_lookup"},
                {"http", "lb.http"},    {"socket", "lb.tcp"},
                {"sha2", "lb.hmac"},    {"hmac", "lb.hmac"},
                {"lrucache", "lb.set"}, {"limit", "lb.bucket, or the script rate_limit"}};

    for (size_t i = 0; i < sizeof owns / sizeof *owns; i++)
        if (strstr(name, owns[i].part) != NULL)
            return owns[i].own;
    return NULL;
}

static void push_where(lua_State *lua, const struct modules *modules, const char *name)
{
    char beside[PATH_BYTES] = "", below[PATH_BYTES] = "";
    const char *near = library_near(slice_of(name)), *own = own_of(name);

    if (modules->given != NULL) {
        lua_pushliteral(lua, "it was not required when the script was checked");
        return;
    }
    path_of(modules->script_path, "", name, beside);
    path_of(modules->script_path, "scripts/", name, below);
    lua_pushfstring(lua, "there is no %s, no %s, and no script of that name in lb itself", beside,
                    below);
    if (near != NULL)
        lua_pushfstring(lua, "; did you mean '%s'?", near);
    else
        lua_pushfstring(lua, own != NULL ? "; there is %s" : "", own);
    lua_concat(lua, 2);
}

static int find_module(lua_State *lua)
{
    const char *name = luaL_checkstring(lua, 1);
    bool is_for_built_in = lua_toboolean(lua, 2) != 0, is_file = !is_for_built_in;
    const struct modules *modules = *sandbox_note(lua, SANDBOX_MODULES);
    enum outcome outcome;

    if (modules == NULL) {
        lua_pushnil(lua);
        lua_pushliteral(lua, "modules are loaded while the script is, so require it at the top");
        return 2;
    }
    outcome = load(lua, modules, name, is_file);
    if (outcome == NOT_THERE) {
        is_file = is_for_built_in;
        outcome = load(lua, modules, name, is_file);
    }
    if (outcome == FOUND) {
        lua_pushboolean(lua, !is_file);
        return 2;
    }
    if (outcome == WRONG)
        return lua_error(lua);
    lua_pushnil(lua);
    push_where(lua, modules, name);
    return 2;
}

void modules_offer(lua_State *lua)
{
    lua_pushcfunction(lua, find_module);
    lua_setfield(lua, -2, "find_module");
    lua_pushcfunction(lua, files_read);
    lua_setfield(lua, -2, "read_file");
}
