/*
 * utf8 - which bytes are characters?
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/slice.h"

/* The bytes of the character above U+007F that the text, which is not empty, starts with; 0
 * if that is not UTF-8 (RFC 3629, 4: no surrogates, nothing longer than needed). */
size_t utf8_length(struct slice text);
/* How many bytes at the start of the text are UTF-8. */
size_t utf8_prefix(struct slice text);
/* So many bytes at most, fewer than the text has, but no half character. */
size_t utf8_cut(struct slice text, size_t most);

#endif
