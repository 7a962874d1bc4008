/*
 * chunks - is this the chunked coding to the letter (RFC 9112, 7.1)? Pure.
 *
 * llhttp decodes it, and lets a few things pass that another reader may understand
 * differently, such as a bare CR behind a size. This looks at the same bytes first
 * and stops at the first one that does not belong there; data is skipped, not read.
 */
#ifndef HTTP_CHUNKS_H
#define HTTP_CHUNKS_H

#include "base/slice.h"

#include <stdint.h>

enum { CHUNKS_CODING_MAX = 16384 }; /* bytes of sizes, extensions and trailers without data */

struct chunks {      /* all zero at the start of a body */
    uint64_t left;   /* of the size being read, then of the data */
    uint32_t coding; /* bytes since the last data */
    uint8_t state;
};

/* How many of the bytes belong to the coding. Fewer than there are: what follows is the
 * next message if chunks_are_complete, else it is wrong. */
size_t chunks_accept(struct chunks *, struct slice bytes);
bool chunks_are_complete(const struct chunks *);
/* Stopped because of CHUNKS_CODING_MAX: such bytes carry nothing and cost us. */
bool chunks_are_endless(const struct chunks *);

/* RFC 9110, 5.6.2. */
bool is_token_byte(char);

#endif
