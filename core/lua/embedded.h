/*
 * embedded - scripts that are part of the program, so that it needs no files.
 */
#ifndef LUA_EMBEDDED_H
#define LUA_EMBEDDED_H

#include "base/slice.h"

struct slice embedded_prelude(void); /* core/lua/prelude.lua */
struct slice embedded_modules(void); /* core/lua/modules.lua */
struct slice embedded_codes(void);
struct slice embedded_signatures(void);
struct slice embedded_await(void);    /* core/lua/await.lua */
struct slice embedded_clients(void);  /* core/lua/clients.lua */
struct slice embedded_json(void);     /* core/lua/json.lua */
struct slice embedded_texts(void);    /* core/lua/texts.lua */
struct slice embedded_shared(void);   /* core/lua/shared.lua */
struct slice embedded_turns(void);    /* core/lua/turns.lua */
struct slice embedded_series(void);   /* core/lua/series.lua */
struct slice embedded_policies(void); /* core/lua/policies.lua */
struct slice embedded_strings(void);  /* core/lua/strings.lua */
struct slice embedded_balancer(void); /* balancer.lua */
struct slice embedded_hello(void);    /* scripts/hello.lua */

/* Defines embedded_<name>(), the bytes of a file; the path is relative to where the
 * compiler runs, the repository's root. There is a NUL behind them. */
#define EMBEDDED(name, path)                                                                       \
    __asm__(".pushsection .rodata\n"                                                               \
            ".globl embedded_" #name "_start, embedded_" #name "_end\n"                            \
            ".hidden embedded_" #name "_start, embedded_" #name "_end\n"                           \
            "embedded_" #name "_start:\n"                                                          \
            ".incbin \"" path "\"\n"                                                               \
            "embedded_" #name "_end:\n"                                                            \
            ".byte 0\n"                                                                            \
            ".popsection\n");                                                                      \
    extern const char embedded_##name##_start[] __attribute__((visibility("hidden")));             \
    extern const char embedded_##name##_end[] __attribute__((visibility("hidden")));               \
    struct slice embedded_##name(void)                                                             \
    {                                                                                              \
        return (struct slice){embedded_##name##_start,                                             \
                              (size_t)(embedded_##name##_end - embedded_##name##_start)};          \
    }

#endif
