/*
 * path - what a path comes to for a server that decodes it and resolves dots. Pure.
 *
 * A script compares this one, so that "//admin", "/%61dmin" and "/a/../admin" are "/admin". What
 * servers read in more than one way is refused, never guessed.
 */
#ifndef HTTP_PATH_H
#define HTTP_PATH_H

#include "base/slice.h"

/* Decoded once, ";parameters" cut from each segment, empty segments and dots resolved (RFC 3986,
 * 5.2.4 and 6.2.2). The result ends in "/" if the path ends in "/" or in dots; "*" is "*". It is
 * written at out, which has room for path.length + 1 bytes. NULL, or what is wrong, in words: bad
 * escapes; '/', a backslash, NUL or control bytes that hide; what is not UTF-8; dots that climb out
 * or that servers resolve in two ways. */
const char *path_clean(struct slice path, char *out, size_t *length);

#endif
