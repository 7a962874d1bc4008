/*
 * records - facts that one program writes down and another reads, whatever either knows.
 *
 * A record is of a kind, and its facts have names. A reader asks for those that it knows. What it
 * does not know is passed over; what it does not find has the value that it gives. For two programs
 * on one machine: numbers lie as they do in memory.
 */
#ifndef BASE_RECORDS_H
#define BASE_RECORDS_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

/* Gives what records_end wants. Kinds and names have at most 255 bytes. */
size_t records_begin(struct buffer *, const char *kind) MUST_USE;
void records_end(struct buffer *, size_t begun);
void records_add(struct buffer *, const char *name, struct slice bytes);
void records_add_number(struct buffer *, const char *name, uint64_t number);

struct record { /* borrowed from what it was read from */
    struct slice kind, facts;
};

/* Takes the next record from the front. False: there is none, or it is not whole. */
bool records_next(struct slice *rest, struct record *) MUST_USE;
bool record_is(const struct record *, const char *kind);
struct slice record_bytes(const struct record *, const char *name); /* "": there is none */
uint64_t record_number(const struct record *, const char *name, uint64_t otherwise);

#endif
