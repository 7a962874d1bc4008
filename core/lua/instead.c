#include "lua/instead.h"

#define NO_FILES    "scripts have no files: require loads modules, print and lb.log write the log"
#define NO_PROGRAMS "scripts start no programs: lb.http and lb.tcp ask a service"
#define NO_TEXTS    "scripts compile no texts: require \"name\" loads name.lua next to the script"
#define OF_A_PEER   "what a request has is in ctx, which each hook gets (scripts/README.md)"

/* IN_TABLE: os.execute, which Lua calls "field 'execute'". */
enum kind { ALONE, IN_TABLE };

static const struct {
    const char *name;
    enum kind kind;
    const char *instead;
} names[] = {
    {"io", ALONE, NO_FILES},
    {"dofile", ALONE, NO_TEXTS},
    {"loadfile", ALONE, NO_TEXTS},
    {"loadstring", ALONE, NO_TEXTS},
    {"load", ALONE, NO_TEXTS},
    {"package", ALONE,
     "require \"name\" looks for name.lua and scripts/name.lua next to the script"},
    {"module", ALONE, "a module returns its table, and require gives it"},
    {"debug", ALONE, "error has a level, and lb logs the traceback of a hook that fails"},
    {"ffi", ALONE, "scripts have no C"},
    {"jit", ALONE, "scripts are compiled without being asked"},
    {"collectgarbage", ALONE, "lb collects between calls, and script.memory is the bound"},
    {"setfenv", ALONE, "scripts have one environment"},
    {"getfenv", ALONE, "scripts have one environment"},
    {"rawset", ALONE, "write t[key] = value"},
    {"newproxy", ALONE, "setmetatable({}, ...) does that"},
    {"bit32", ALONE, "there is bit"},
    {"utf8", ALONE, "there is string, which counts bytes"},
    {"socket", ALONE, "there is lb.tcp, and lb.http"},
    {"http", ALONE, "there is lb.http"},
    {"json", ALONE, "there is lb.json"},
    {"cjson", ALONE, "there is lb.json"},
    {"sleep", ALONE, "there is lb.sleep"},
    {"ngx", ALONE, "that is of OpenResty: " OF_A_PEER},
    {"core", ALONE, "that is of HAProxy: " OF_A_PEER},
    {"txn", ALONE, "that is of HAProxy: " OF_A_PEER},
    {"execute", IN_TABLE, "os.execute: " NO_PROGRAMS},
    {"exit", IN_TABLE, "os.exit: error \"why\" refuses a script, and SIGTERM ends lb"},
    {"remove", IN_TABLE, "os.remove: " NO_FILES},
    {"rename", IN_TABLE, "os.rename: " NO_FILES},
    {"tmpname", IN_TABLE, "os.tmpname: " NO_FILES},
    {"difftime", IN_TABLE, "os.difftime: subtract the times"},
    {"setlocale", IN_TABLE, "os.setlocale: scripts have the locale C"},
    {"dump", IN_TABLE, "string.dump: scripts compile no texts"},
    {"unpack", IN_TABLE, "table.unpack: there is unpack(list)"},
    {"pack", IN_TABLE, "table.pack: write { n = select(\"#\", ...), ... }"},
    {"tointeger", IN_TABLE, "math.tointeger: there is math.floor"},
};

/* The name and its kind in ".. global 'io' (a nil value)". */
static bool find_name(struct slice message, struct slice *name, enum kind *kind)
{
    static const struct slice behind = {"' (a nil value)", 15};
    const char *end = memmem(message.start, message.length, behind.start, behind.length);
    const char *start = end != NULL && end > message.start
                            ? memrchr(message.start, '\'', (size_t)(end - message.start))
                            : NULL;

    if (start == NULL || start - message.start < 8)
        return false;
    *name = (struct slice){start + 1, (size_t)(end - start) - 1};
    *kind = memcmp(start - 6, "field ", 6) == 0 ? IN_TABLE : ALONE;
    return *kind == IN_TABLE || memcmp(start - 7, "global ", 7) == 0 ||
           memcmp(start - 8, "upvalue ", 8) == 0; /* what a script calls so itself is its own */
}

const char *instead_of(struct slice message)
{
    struct slice name;
    enum kind kind;

    if (!find_name(message, &name, &kind))
        return NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].kind == kind && slice_is(name, slice_of(names[i].name)))
            return names[i].instead;
    return NULL;
}
