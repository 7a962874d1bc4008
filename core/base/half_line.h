/*
 * half_line - a line at the end of a log file that is half written, as the disk has become full in
 * the middle of it.
 *
 * All processes append to one file. Who wrote the half completes it as soon as there is room, and
 * the others write nothing until then. If that process is gone, another ends the line. So they
 * share a word for each file, in memory that was there before the first of them was forked.
 */
#ifndef BASE_HALF_LINE_H
#define BASE_HALF_LINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct half_line {
    _Atomic uint64_t writer; /* whose it is; 0: there is none */
};

/* stream: which of the process's two, 0 or 1. */
void half_line_begin(struct half_line *, unsigned stream); /* ours is half written */
void half_line_end(struct half_line *, unsigned stream);   /* it is whole, or given up */
/* Another has to complete its line first. Ends a line that nobody is left to complete. */
bool half_line_holds_up(struct half_line *, unsigned stream, int fd);

static inline bool half_line_is_there(struct half_line *half)
{
    return atomic_load_explicit(&half->writer, memory_order_relaxed) != 0;
}

#endif
