/*
 * The build makes build/library.h, which the Makefile has the compiler read ahead of
 * this file: LIBRARY(X) is X(id, name, path) for each file of the folder.
 */
#include "lua/library.h"

#include "base/nearest.h"
#include "lua/embedded.h"

#define EMBED(id, name, path) EMBEDDED(library_##id, path)
LIBRARY(EMBED)

#define ENTRY(id, name, path) {name, embedded_library_##id},

static const struct {
    const char *name;
    struct slice (*text)(void);
} scripts[] = {LIBRARY(ENTRY)};

bool library_find(struct slice name, struct slice *text)
{
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
        if (slice_is(slice_of(scripts[i].name), name)) {
            *text = scripts[i].text();
            return true;
        }
    return false;
}

const char *library_near(struct slice name)
{
    const char *names[sizeof scripts / sizeof *scripts];

    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
        names[i] = scripts[i].name;
    return nearest_name(name, names, sizeof names / sizeof *names);
}
