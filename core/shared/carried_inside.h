/*
 * carried_inside - which words of the segment have which names among the records.
 *
 * For shared/carried.c, which writes them, and shared/carried_read.c, which reads them.
 */
#ifndef SHARED_CARRIED_INSIDE_H
#define SHARED_CARRIED_INSIDE_H

#include "shared/segment.h"

enum { CARRIED_NAME_BYTES = 64 };

/* Of a backend: its state. */
extern const unsigned carried_words;
const char *carried_word_name(unsigned word);
uint64_t carried_read_word(const struct segment_backend *, unsigned word);
void carried_write_word(struct segment_backend *, unsigned word, uint64_t);

/* What a worker counts besides its totals. */
extern const unsigned carried_worker_numbers;
const char *carried_worker_name(unsigned number, char room[CARRIED_NAME_BYTES]);
uint64_t carried_worker_number(const struct segment_worker *, unsigned number);
void carried_add_worker_number(struct segment_worker *, unsigned number, uint64_t);

#endif
