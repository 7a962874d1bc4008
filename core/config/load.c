/*
 * load - read the file > run it > read the table it returns > check.
 *
 * All of it, and the reading of the table, is one protected call: a script may use
 * up the state's memory at any point.
 */
#include "config/load.h"

#include "base/decimal.h"
#include "base/file.h"
#include "base/mem.h"
#include "config/certificates.h"
#include "config/foreign.h"
#include "config/itself.h"
#include "config/probes.h"
#include "config/read.h"
#include "config/remotes.h"
#include "config/settings.h"
#include "config/sites.h"
#include "config/source.h"
#include "config/tls.h"
#include "lua/embedded.h"
#include "lua/fields.h"
#include "lua/instead.h"
#include "lua/modules.h"
#include "lua/place.h"
#include "lua/sandbox.h"

#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <unistd.h>

enum {
    SCRIPT_BYTES_MAX = 4 << 20,
    MEMORY_BYTES_MAX = 256 << 20, /* while it loads; what hooks may use is a setting */
    MESSAGE_BYTES_MAX = 1000,
};

struct load {
    const char *name;
    struct slice source;
    const struct config_given *given;
    struct config *config;
    struct fields_wrong wrong;
    struct buffer *error;
    bool reads_files; /* of certificates; else they come another way */
    bool is_compiled;
    bool is_done;
};

/* --- the message --- */

/* One line, whatever the script put into its error. */
static void append_clean(struct buffer *out, struct slice text)
{
    if (text.length > MESSAGE_BYTES_MAX)
        text.length = MESSAGE_BYTES_MAX;
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.start[i];

        if (c == '\n')
            buffer_append_text(out, "\\n");
        else if (c < 0x20 || c == 0x7f)
            buffer_printf(out, "\\x%02x", c);
        else
            buffer_append_byte(out, (char)c);
    }
}

/* With what there is to be done, where that is known. */
static void fail_with_lua_message(struct load *load, struct slice message)
{
    const char *more = load->is_compiled ? instead_of(message) : foreign_guess(load->source);
    const char *path = place_find(&message, load->name, &load->config->modules);

    buffer_append_text(load->error, path != NULL ? path : load->name);
    if (path == NULL)
        buffer_append_text(load->error, ": ");
    append_clean(load->error, message);
    if (more != NULL)
        buffer_printf(load->error, ": %s", more);
    if (path != NULL && path != load->name)
        buffer_printf(load->error, " (while %s loads)", load->name);
}

/* Of the error on top, if it is one of lua/modules.lua that has no line: 0 for others. */
static unsigned lost_line(struct load *load, lua_State *lua)
{
    unsigned line = 0;

    sandbox_push_prelude(lua);
    lua_getfield(lua, -1, "lost_message");
    lua_getfield(lua, -2, "lost_option");
    if (lua_rawequal(lua, -2, -4) && lua_type(lua, -1) == LUA_TSTRING)
        line = source_find_line(load->source, lua_tostring(lua, -1));
    lua_pop(lua, 3);
    return line;
}

/* line: 0 if the message has it. */
static void fail_with_error_value(struct load *load, lua_State *lua, unsigned line)
{
    char digits[DECIMAL_OF_DOUBLE_BYTES];
    struct slice message = {digits, 0};

    if (lua_type(lua, -1) == LUA_TSTRING || lua_type(lua, -1) == LUA_TNUMBER) {
        if (lua_type(lua, -1) == LUA_TNUMBER)
            message.length = decimal_of_double(lua_tonumber(lua, -1), digits);
        else
            message.start = lua_tolstring(lua, -1, &message.length);
        if (line > 0) {
            buffer_printf(load->error, "%s:%u: ", load->name, line);
            append_clean(load->error, message);
        } else {
            fail_with_lua_message(load, message);
        }
    } else {
        buffer_printf(load->error, "%s: the script raised an error that is not a text but a %s",
                      load->name, lua_typename(lua, lua_type(lua, -1)));
    }
}

static void fail_for_memory(struct load *load)
{
    buffer_printf(load->error, "%s: not enough memory: a script may use %d MiB while it loads",
                  load->name, MEMORY_BYTES_MAX >> 20);
}

/* The module that has what the script does not: "return require 'settings'". */
static const struct bundle_module *module_with(const struct load *load, const char *path)
{
    const struct bundle *modules = &load->config->modules;

    if (source_has(load->source, path))
        return NULL;
    for (unsigned i = 0; i < modules->count; i++) {
        const struct bundle_module *module = &modules->modules[i];

        if (module->is_file && source_has((struct slice){module->text, module->bytes}, path))
            return module;
    }
    return NULL;
}

static void fail_in_settings(struct load *load)
{
    const char *path = load->wrong.path;
    const struct bundle_module *module = module_with(load, path);
    struct slice text = module != NULL ? (struct slice){module->text, module->bytes} : load->source;
    unsigned line = source_find_line(text, path);

    buffer_append_text(load->error, module != NULL ? module->path : load->name);
    if (line > 0)
        buffer_printf(load->error, ":%u", line);
    buffer_append_text(load->error, ": ");
    append_clean(load->error, buffer_slice(&load->wrong.message));
}

/* --- the run --- */

/* Leaves what the script returned on the stack; false if it did not. */
static bool run_script(lua_State *lua, struct load *load)
{
    const struct modules modules = {load->name, NULL, &load->config->modules};
    int code = sandbox_load(lua, load->name, load->source);

    load->is_compiled = code == 0;
    modules_allow(lua, &modules);
    if (code == 0)
        code = sandbox_run(lua, 1, SANDBOX_LOAD_CPU_MS);
    modules_allow(lua, NULL);
    if (code == LUA_ERRMEM)
        fail_for_memory(load);
    else if (code != 0)
        fail_with_error_value(load, lua, lost_line(load, lua));
    return code == 0;
}

/* What the script asked for while it ran, which is not in its table. */
static void keep_wishes(lua_State *lua, struct config *config)
{
    sandbox_push_prelude(lua);
    lua_getfield(lua, -1, "has_once_timers"); /* core/lua/await.lua */
    config->has_once_timers = lua_toboolean(lua, -1);
    lua_pop(lua, 2);
}

/* Where it stands: an option, one of a list, or a text. */
static void refuse_itself(struct load *load, unsigned i, const char *what, const char *listen)
{
    struct fields_wrong *wrong = &load->wrong;
    char path[32];

    snprintf(path, sizeof path, "backends[%u]", i + 1);
    snprintf(wrong->path, sizeof wrong->path, "%s",
             source_has(load->source, path) ? path : "backends");
    buffer_printf(&wrong->message, "%s: '%s': that is %s%s",
                  load->given->backends.count > 0 ? load->given->backends.source : wrong->path,
                  load->config->backends[i].text, what, listen);
    if (load->given->backends.count > 0)
        append_clean(load->error, buffer_slice(&wrong->message));
    else
        fail_in_settings(load);
    load->is_done = false;
}

static void check_itself(struct load *load)
{
    const struct config *config = load->config;

    for (unsigned i = 0; i < config->backends_count && load->is_done; i++) {
        const struct config_listen *listen = itself_is(config, &config->backends[i].address);

        if (listen != NULL)
            refuse_itself(load, i, "lb itself, which listens on ", listen->text);
        else if (itself_is_admin(config, &config->backends[i].address))
            refuse_itself(load, i, "the admin address of this lb itself", "");
    }
}

/* A worker loads the script within the script's own limit. */
static void check_memory(lua_State *lua, struct load *load, struct fields *root)
{
    uint64_t limit = load->config->script_limits.memory;
    size_t used = (size_t)sandbox_heap(lua)->used_bytes;

    if (limit > 0 && used > limit)
        fields_fail(root, NULL, 0, "the script takes %zu bytes to load, but script.memory is %llu",
                    used, (unsigned long long)limit);
}

static bool find_guard(struct config *config, const char *path, struct slice text)
{
    config->guard_path = path;
    config->guard_line = source_find_method(text, "reject");
    return config->guard_line > 0;
}

/* Judges the text, not what calls have done so far: the first call that fails may be a call that
 * had to refuse. */
static void guard(struct config *config)
{
    const struct bundle *modules = &config->modules;
    struct slice script = {config->script, config->script_bytes};
    bool is_guard = find_guard(config, config->script_path, script);

    for (unsigned i = 0; !is_guard && i < modules->count; i++) {
        const struct bundle_module *module = &modules->modules[i];

        is_guard = find_guard(config, module->path, (struct slice){module->text, module->bytes});
    }
    if (is_guard)
        config->fallback = CONFIG_FALLBACK_FAIL;
}

static bool is_given_twice(struct load *load)
{
    struct source_twice twice = source_find_twice(load->source);

    if (twice.second == 0)
        return false;
    buffer_printf(load->error, "%s:%u: '", load->name, twice.second);
    append_clean(load->error, twice.name);
    buffer_printf(load->error, "' is given twice in one table, first in line %u", twice.first);
    return true;
}

/* They are checked even if no listener has TLS, as an option says so; then nobody keeps them. */
static void try_sites(struct load *load)
{
    struct config_tls *tls = &load->config->tls;

    if (tls->certificates_count == 0)
        return;
    sites_make(tls);
    sites_try(tls, &load->wrong);
    if (!tls_is_used(load->config))
        sites_forget(tls);
}

static void read_files(struct load *load)
{
    struct config_tls *tls = &load->config->tls;

    if (!load->reads_files || load->wrong.is_set)
        return;
    if (tls->certificates_count > 0 || remotes_have_files(tls))
        certificates_read(tls, &load->wrong);
    if (!load->wrong.is_set)
        try_sites(load);
    if (!load->wrong.is_set)
        remotes_try(tls, &load->wrong);
}

static int load_protected(lua_State *lua)
{
    struct load *load = lua_touserdata(lua, 1);
    struct fields root;

    if (!run_script(lua, load))
        return 0;
    if (lua_type(lua, -1) != LUA_TTABLE) {
        buffer_printf(load->error,
                      "%s: expected the script to return a table of settings, got %s: "
                      "end it with return { ... }",
                      load->name, lua_isnil(lua, -1) ? "nothing" : luaL_typename(lua, -1));
        return 0;
    }
    if (is_given_twice(load))
        return 0;
    keep_wishes(lua, load->config);
    fields_root(&root, lua, &load->wrong);
    read_settings(load->config, load->given, &root);
    check_memory(lua, load, &root);
    if (!load->config->has_fallback)
        guard(load->config);
    read_files(load);
    load->is_done = !load->wrong.is_set;
    if (load->wrong.is_set)
        fail_in_settings(load);
    else
        check_itself(load);
    return 0;
}

static void load_in_state(struct load *load, lua_State *lua)
{
    int code = lua_cpcall(lua, load_protected, load);

    if (code == 0)
        return;
    load->is_done = false;
    buffer_clear(load->error);
    if (code == LUA_ERRMEM)
        fail_for_memory(load);
    else
        fail_with_error_value(load, lua, 0);
}

/* Every setting at its default, no addresses. */
static struct config *new_config(const char *name, struct slice source)
{
    struct config *config = mem_zalloc(sizeof *config);

    settings_set_defaults(config);
    probes_set_defaults(&config->health);
    tls_set_defaults(&config->tls);
    config->via = true;
    config->fallback = CONFIG_FALLBACK_ROUND_ROBIN;
    config->body_first = CONFIG_BODY_FIRST_LIMITED;
    config->workers_auto = true;
    config->workers = config_cpus();
    config->script_path = mem_copy_text(name);
    config->script = mem_copy(source.start, source.length);
    config->script_bytes = source.length;
    return config;
}

static struct config *load_source(const char *name, struct slice source,
                                  const struct config_given *given, struct segment *segment,
                                  bool reads_files, struct buffer *error)
{
    static const struct config_given none;
    struct load load = {
        .name = name, .source = source, .given = given ? given : &none, .reads_files = reads_files};
    lua_State *lua;

    load.error = error;
    load.config = new_config(name, source);
    if (read_given(load.config, load.given, error)) {
        lua = sandbox_open(segment, MEMORY_BYTES_MAX, modules_offer);
        if (lua != NULL)
            load_in_state(&load, lua);
        else
            fail_for_memory(&load);
        sandbox_close(lua);
    }
    buffer_dispose(&load.wrong.message);
    if (load.is_done)
        return load.config;
    config_free(load.config);
    return NULL;
}

struct config *config_load_text(const char *name, struct slice source,
                                const struct config_given *given, struct segment *segment,
                                struct buffer *error)
{
    return load_source(name, source, given, segment, false, error);
}

/* --- the file --- */

struct config *config_load_file(const char *path, const struct config_given *given,
                                struct segment *segment, struct buffer *error)
{
    struct buffer source = {0};
    struct config *config = NULL;
    int code = file_read(path, SCRIPT_BYTES_MAX, &source);

    if (code == EFBIG)
        buffer_printf(error, "%s: a script has %d MiB at most", path, SCRIPT_BYTES_MAX >> 20);
    else if (code == ENOTSUP)
        buffer_printf(error, "%s: a script has to be a regular file", path);
    else if (code != 0)
        buffer_printf(error, "%s: cannot read the script: %s", path, strerror(code));
    else
        config = load_source(path, buffer_slice(&source), given, segment, true, error);
    buffer_dispose(&source);
    return config;
}

struct config *config_load(const struct options *o, struct segment *segment, struct buffer *error)
{
    bool is_missing = !o->script_given && access(o->script, F_OK) != 0 && errno == ENOENT;
    struct config *config;

    if (o->given.backends.count > 0 && is_missing)
        return config_load_text("balancer.lua (built in)", embedded_balancer(), &o->given, segment,
                                error);
    config = config_load_file(o->script, &o->given, segment, error);
    if (config == NULL && is_missing)
        buffer_append_text(error, "; give one, or backends alone: lb --backend host:port");
    return config;
}
