/*
 * chunks - is this the chunked coding to the letter (RFC 9112, 7.1)? Pure.
 *
 * llhttp decodes it, and lets a few things pass that another reader may understand
 * differently, such as a bare CR behind a size. This looks at the same bytes first
 * and stops at the first wrong byte; data is skipped, not read. llhttp never sees
 * extensions and trailers: its versions differ in which of them they accept.
 */
#ifndef HTTP_CHUNKS_H
#define HTTP_CHUNKS_H

#include "http/syntax.h"

#include <stdint.h>

enum {
    CHUNKS_CODING_MAX = 16384, /* bytes of sizes, extensions and trailers beyond what data pays */
    CHUNK_CODING_FREE = 16,    /* of each chunk; each byte of data pays for two more */
};

struct chunks {
    uint64_t left;   /* of the size being read, then of the data */
    uint32_t coding; /* bytes that no data has paid */
    uint8_t state;
    uint8_t fault; /* an enum syntax_fault: what is wrong with the byte that was not accepted */
    struct syntax trailers; /* trailers.taken: how many of the accepted bytes were of them */
};

/* The most bytes and fields that trailers may have. */
void chunks_init(struct chunks *, size_t trailers_max, size_t fields_max);
/* How many of the bytes belong to the coding, up to where an extension or the trailers begin or
 * end: *are_dropped says that the bytes are of those, and not for the decoder. None: the next
 * message begins if chunks_are_complete, else fault says what is wrong. */
size_t chunks_accept(struct chunks *, struct slice bytes, bool *are_dropped);
bool chunks_are_complete(const struct chunks *);

#endif
