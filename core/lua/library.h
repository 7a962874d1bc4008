/*
 * library - the scripts of the folder scripts/, as parts of the program, so that
 * require "p2c_ewma" needs no files.
 */
#ifndef LUA_LIBRARY_H
#define LUA_LIBRARY_H

#include "base/slice.h"

#include <stdbool.h>

/* By its name ("p2c_ewma"); false if there is none. */
bool library_find(struct slice name, struct slice *text);
const char *library_near(struct slice name); /* the one that was probably meant, or NULL */

#endif
