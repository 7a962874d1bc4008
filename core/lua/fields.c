#include "lua/fields.h"

#include "base/nearest.h"

#include <lauxlib.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN_BYTES_MAX = 40, STACK_ROOM = 8, NAMES_FEW = 6 };

/* --- where --- */

static void append_name(struct buffer *path, const char *name, unsigned position)
{
    if (name == NULL)
        buffer_printf(path, "[%u]", position);
    else
        buffer_printf(path, "%s%s", buffer_length(path) > 0 ? "." : "", name);
}

static void append_path(const struct fields *table, struct buffer *path)
{
    if (table->parent == NULL)
        return;
    append_path(table->parent, path);
    append_name(path, table->name, table->position);
}

static void keep_path(struct fields_wrong *wrong, struct buffer *path)
{
    struct slice text = buffer_slice(path);

    if (text.length >= sizeof wrong->path)
        text.length = sizeof wrong->path - 1;
    memcpy(wrong->path, text.start, text.length);
    wrong->path[text.length] = '\0';
}

/* Opens the message, unless there is one: with the path of the table, which is
 * shown, and of its field, which is where to look. */
static bool fail_begin(struct fields *table, const char *name, unsigned position, bool show_field)
{
    struct fields_wrong *wrong = table->wrong;
    struct buffer path = {0};

    if (wrong->is_set)
        return false;
    wrong->is_set = true;
    append_path(table, &path);
    if (!show_field)
        buffer_append(&wrong->message, buffer_slice(&path));
    if (name != NULL || position > 0)
        append_name(&path, name, position);
    if (show_field)
        buffer_append(&wrong->message, buffer_slice(&path));
    if (buffer_length(&wrong->message) > 0)
        buffer_append_text(&wrong->message, ": ");
    keep_path(wrong, &path);
    buffer_dispose(&path);
    return true;
}

void fields_fail(struct fields *table, const char *name, unsigned position, const char *format, ...)
{
    char text[512];
    va_list arguments;

    if (!fail_begin(table, name, position, true))
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    buffer_append_text(&table->wrong->message, text);
}

/* --- reading --- */

static void push_field(struct fields *table, const char *name, unsigned position)
{
    luaL_checkstack(table->lua, STACK_ROOM, "settings");
    if (name == NULL) {
        lua_rawgeti(table->lua, table->index, (int)position);
    } else {
        lua_pushstring(table->lua, name);
        lua_rawget(table->lua, table->index);
    }
}

static const struct value_type {
    enum fields_type type;
    const char *name;
} other_type = {FIELDS_OTHER, "a value of another kind"};

static const struct value_type *type_at(lua_State *lua, int index)
{
    static const struct value_type types[] = {
        [LUA_TNIL] = {FIELDS_NOTHING, "nothing"},
        [LUA_TBOOLEAN] = {FIELDS_BOOLEAN, "a boolean"},
        [LUA_TNUMBER] = {FIELDS_NUMBER, "a number"},
        [LUA_TSTRING] = {FIELDS_TEXT, "a string"},
        [LUA_TTABLE] = {FIELDS_TABLE, "a table"},
        [LUA_TFUNCTION] = {FIELDS_FUNCTION, "a function"},
    };
    size_t type = (size_t)lua_type(lua, index);

    return type < sizeof types / sizeof *types && types[type].name != NULL ? &types[type]
                                                                           : &other_type;
}

void fields_expected(struct fields *table, const char *name, unsigned position, const char *what)
{
    push_field(table, name, position);
    fields_fail(table, name, position, "expected %s, got %s", what, type_at(table->lua, -1)->name);
    lua_pop(table->lua, 1);
}

enum fields_type fields_type(struct fields *table, const char *name, unsigned position)
{
    enum fields_type type;

    if (table->wrong->is_set)
        return FIELDS_NOTHING;
    push_field(table, name, position);
    type = type_at(table->lua, -1)->type;
    lua_pop(table->lua, 1);
    return type;
}

/* Is the field there, and of that type? */
static bool has_type(struct fields *table, const char *name, unsigned position,
                     enum fields_type wanted, const char *what)
{
    enum fields_type type = fields_type(table, name, position);

    if (type == wanted)
        return true;
    if (type != FIELDS_NOTHING)
        fields_expected(table, name, position, what);
    return false;
}

void fields_root(struct fields *table, lua_State *lua, struct fields_wrong *wrong)
{
    *table = (struct fields){.lua = lua, .index = lua_gettop(lua), .wrong = wrong};
}

bool fields_enter(struct fields *child, struct fields *parent, const char *name, unsigned position)
{
    if (!has_type(parent, name, position, FIELDS_TABLE, "a table"))
        return false;
    push_field(parent, name, position);
    *child = (struct fields){.lua = parent->lua,
                             .index = lua_gettop(parent->lua),
                             .parent = parent,
                             .name = name,
                             .position = position,
                             .wrong = parent->wrong};
    return true;
}

void fields_leave(struct fields *child)
{
    lua_settop(child->lua, child->index - 1);
}

/* --- names --- */

/* Which of them it is; as many as there are: none. */
static unsigned place_in(const char *const *names, struct slice name)
{
    unsigned i = 0;

    while (names[i] != NULL && !slice_is(name, slice_of(names[i])))
        i++;
    return i;
}

static void append_shown(struct buffer *out, struct slice text)
{
    if (text.length > SHOWN_BYTES_MAX)
        text.length = SHOWN_BYTES_MAX;
    buffer_append(out, text);
}

static bool is_hook(struct slice name)
{
    return name.length > 3 && memcmp(name.start, "on_", 3) == 0;
}

/* What there is in place of a name that is near none: the hooks for a hook, all if they are few. */
static void append_known(struct buffer *out, struct slice wrong, const char *const *names,
                         size_t count)
{
    const char *before = ": there is ";
    bool all = count <= NAMES_FEW;

    for (size_t i = 0; i < count && (all || is_hook(wrong)); i++)
        if (all || is_hook(slice_of(names[i]))) {
            buffer_printf(out, "%s%s", before, names[i]);
            before = ", ";
        }
}

static void fail_unknown(struct fields *table, struct slice name, const char *const *known)
{
    const char *nearest;
    size_t count = 0;

    while (known[count] != NULL)
        count++;
    nearest = nearest_name(name, known, count);
    if (!fail_begin(table, name.start, 0, false))
        return;
    buffer_append_text(&table->wrong->message, "unknown field '");
    append_shown(&table->wrong->message, name);
    buffer_append_text(&table->wrong->message, "'");
    if (nearest != NULL)
        buffer_printf(&table->wrong->message, ", did you mean '%s'?", nearest);
    else
        append_known(&table->wrong->message, name, known, count);
}

/* The key as a place in messages; 0 if it is none. */
static unsigned position_of(lua_State *lua, int index)
{
    double number = lua_tonumber(lua, index);

    return number >= 1 && number <= 1e9 && floor(number) == number ? (unsigned)number : 0;
}

/* For a walk over the keys of the table: each is on top of the stack until the next one. */
static void begin_keys(struct fields *table)
{
    luaL_checkstack(table->lua, STACK_ROOM, "settings");
    lua_pushnil(table->lua);
}

/* False after the last one, or if something is wrong: then none is on the stack. */
static bool next_key(struct fields *table)
{
    bool is_there = !table->wrong->is_set && lua_next(table->lua, table->index) != 0;

    if (is_there || table->wrong->is_set)
        lua_pop(table->lua, 1);
    return is_there;
}

static void check_key(struct fields *table, const char *const *known, bool has_first)
{
    lua_State *lua = table->lua;
    struct slice name;

    if (has_first && lua_type(lua, -1) == LUA_TNUMBER && position_of(lua, -1) == 1)
        return;
    if (lua_type(lua, -1) == LUA_TNUMBER) {
        fields_fail(table, NULL, position_of(lua, -1),
                    "expected a name in front of the value, as in %s = ...", known[0]);
        return;
    }
    if (lua_type(lua, -1) != LUA_TSTRING) {
        fields_fail(table, NULL, 0, "expected names as keys, got %s", type_at(lua, -1)->name);
        return;
    }
    name.start = lua_tolstring(lua, -1, &name.length);
    if (known[place_in(known, name)] == NULL)
        fail_unknown(table, name, known);
}

static bool check_keys(struct fields *table, const char *const *known, bool has_first)
{
    begin_keys(table);
    while (next_key(table))
        check_key(table, known, has_first);
    return !table->wrong->is_set;
}

bool fields_check_names(struct fields *table, const char *const *known)
{
    return check_keys(table, known, false);
}

bool fields_check_entry(struct fields *table, const char *const *known)
{
    return check_keys(table, known, true);
}

static bool is_position(lua_State *lua, int index, size_t least, size_t most)
{
    double key = lua_type(lua, index) == LUA_TNUMBER ? lua_tonumber(lua, index) : 0;

    return key >= (double)least && key <= (double)most && floor(key) == key;
}

static bool key_is(lua_State *lua, int index, const char *name)
{
    return lua_type(lua, index) == LUA_TSTRING && strcmp(lua_tostring(lua, index), name) == 0;
}

static void fail_position(struct fields *table, const char *what)
{
    lua_State *lua = table->lua;

    if (lua_type(lua, -1) == LUA_TNUMBER)
        fields_fail(table, NULL, position_of(lua, -1), "expected %s, got %.15g", what,
                    lua_tonumber(lua, -1));
    else if (lua_type(lua, -1) == LUA_TSTRING)
        fields_fail(table, NULL, 0, "expected %s, got the name '%.*s'", what, SHOWN_BYTES_MAX,
                    lua_tostring(lua, -1));
    else
        fields_fail(table, NULL, 0, "expected %s, got %s", what, type_at(lua, -1)->name);
}

bool fields_check_positions(struct fields *table, unsigned least, unsigned most, const char *name,
                            const char *what)
{
    lua_State *lua = table->lua;

    begin_keys(table);
    while (next_key(table))
        if (!is_position(lua, -1, least, most) && !key_is(lua, -1, name))
            fail_position(table, what);
    return !table->wrong->is_set;
}

unsigned fields_count(struct fields *list, unsigned limit)
{
    lua_State *lua = list->lua;
    size_t count = lua_objlen(lua, list->index), seen = 0;

    begin_keys(list);
    for (; next_key(list); seen++)
        if (lua_type(lua, -1) == LUA_TSTRING)
            fields_fail(list, NULL, 0, "expected a list, got the name '%.*s' in it",
                        SHOWN_BYTES_MAX, lua_tostring(lua, -1));
        else if (!is_position(lua, -1, 1, count))
            fields_fail(list, NULL, 0, "expected a list without gaps");
    if (seen != count)
        fields_fail(list, NULL, 0, "expected a list without gaps");
    else if (count > limit)
        fields_fail(list, NULL, 0, "expected %u elements at most, got %zu", limit, count);
    return list->wrong->is_set ? 0 : (unsigned)count;
}

/* --- values --- */

static void describe_range(const struct fields_range *range, char *out, size_t bytes)
{
    snprintf(out, bytes, "%s%s from %.15g to %.15g%s%s%s", range->or_zero ? "0 or " : "",
             range->is_whole ? "a whole number" : "a number", range->least, range->most,
             range->unit != NULL ? " (" : "", range->unit != NULL ? range->unit : "",
             range->unit != NULL ? ")" : "");
}

static bool is_in_range(const struct fields_range *range, double number)
{
    if (number == 0 && range->or_zero)
        return true;
    return number >= range->least && number <= range->most && /* false for NaN */
           (!range->is_whole || floor(number) == number);
}

bool fields_number(struct fields *table, const char *name, unsigned position,
                   const struct fields_range *range, double *out)
{
    char expected[128];
    double number;

    describe_range(range, expected, sizeof expected);
    if (!has_type(table, name, position, FIELDS_NUMBER, expected))
        return false;
    push_field(table, name, position);
    number = lua_tonumber(table->lua, -1);
    lua_pop(table->lua, 1);
    if (!is_in_range(range, number)) {
        if (isnan(number)) /* whose sign means nothing */
            fields_fail(table, name, position, "expected %s, got nan", expected);
        else
            fields_fail(table, name, position, "expected %s, got %.15g", expected, number);
        return false;
    }
    *out = number;
    return true;
}

bool fields_text(struct fields *table, const char *name, unsigned position, struct slice *out)
{
    if (!has_type(table, name, position, FIELDS_TEXT, "a string"))
        return false;
    push_field(table, name, position);
    out->start = lua_tolstring(table->lua, -1, &out->length);
    lua_pop(table->lua, 1); /* its table holds it */
    return true;
}

void fields_texts(struct fields *table, const char *name, unsigned most, fields_read *read,
                  void *owner, const char *expected)
{
    enum fields_type type = fields_type(table, name, 0);
    struct fields list;

    if (type == FIELDS_TEXT) {
        read(owner, table, name, 0);
    } else if (type == FIELDS_TABLE && fields_enter(&list, table, name, 0)) {
        unsigned count = fields_count(&list, most);

        for (unsigned i = 1; i <= count; i++)
            read(owner, &list, NULL, i);
        fields_leave(&list);
    } else if (type != FIELDS_NOTHING) {
        fields_expected(table, name, 0, expected);
    }
}

/* 'a', 'b' or 'c' */
static void name_choices(struct buffer *out, const char *const *choices)
{
    for (unsigned i = 0; choices[i] != NULL; i++) {
        const char *before = i == 0 ? "" : choices[i + 1] != NULL ? ", " : " or ";

        buffer_printf(out, "%s'%s'", before, choices[i]);
    }
    buffer_append_byte(out, '\0');
}

bool fields_choice(struct fields *table, const char *name, const char *const *choices,
                   unsigned *out)
{
    struct buffer what = {0};
    struct slice text;
    unsigned i;
    bool is_one = false;

    name_choices(&what, choices);
    if (has_type(table, name, 0, FIELDS_TEXT, buffer_slice(&what).start)) {
        (void)fields_text(table, name, 0, &text);
        i = place_in(choices, text);
        is_one = choices[i] != NULL;
        if (is_one)
            *out = i;
        else
            fields_fail(table, name, 0, "expected %s, got '%.40s'", buffer_slice(&what).start,
                        text.start);
    }
    buffer_dispose(&what);
    return is_one;
}

bool fields_flag(struct fields *table, const char *name, bool *out)
{
    if (!has_type(table, name, 0, FIELDS_BOOLEAN, "true or false"))
        return false;
    push_field(table, name, 0);
    *out = lua_toboolean(table->lua, -1) != 0;
    lua_pop(table->lua, 1);
    return true;
}

bool fields_function(struct fields *table, const char *name)
{
    return has_type(table, name, 0, FIELDS_FUNCTION, "a function");
}

bool fields_next_name(struct fields *table, struct slice *key, const char *expected)
{
    lua_State *lua = table->lua;

    if (table->wrong->is_set)
        return false;
    luaL_checkstack(lua, STACK_ROOM, "settings");
    if (key->start == NULL)
        lua_pushnil(lua);
    else
        lua_pushlstring(lua, key->start, key->length);
    if (lua_next(lua, table->index) == 0)
        return false;
    if (lua_type(lua, -2) == LUA_TSTRING)
        key->start = lua_tolstring(lua, -2, &key->length);
    else
        fields_fail(table, NULL, 0, "expected %s", expected);
    lua_pop(lua, 2);
    return !table->wrong->is_set;
}

bool fields_next_pair(struct fields *table, struct slice *key, struct slice *value)
{
    if (!fields_next_name(table, key, "names and strings, as in { zone = \"a\" }"))
        return false;
    *value = SLICE(""); /* of a name with a NUL byte in it */
    return fields_text(table, key->start, 0, value) || !table->wrong->is_set;
}
