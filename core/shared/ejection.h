/*
 * ejection - how often and until when a backend is out, in one word.
 *
 * Pure: shared/board.c has the picture of the states and changes the word.
 */
#ifndef SHARED_EJECTION_H
#define SHARED_EJECTION_H

#include <stdint.h>

enum ejection_state { EJECTION_IN, EJECTION_CLAIMED, EJECTION_OUT };

struct ejection { /* state:2 count:6 tag:16 at_ms:40; all zero: never ejected */
    enum ejection_state state;
    uint32_t count; /* in a row, this one included */
    uint32_t tag;   /* another one for each claim, so that no two claims are one word */
    uint64_t at_ms; /* IN: when the last one ended, CLAIMED: since when, OUT: until when */
};

/* When failures of real traffic in a row eject a backend, and for how long. */
struct ejection_rule {
    uint32_t after;      /* failures in a row; 0: never */
    uint64_t for_ms;     /* the first time; doubles with each further one */
    uint64_t for_max_ms; /* and not beyond */
};

uint64_t ejection_pack(struct ejection);
struct ejection ejection_unpack(uint64_t word);
uint64_t ejection_length_ms(const struct ejection_rule *, uint32_t count);

/* What follows if it goes out now: the count starts over at 1 if the last
 * ejection ended longer ago than its own length. */
uint32_t ejection_next_count(const struct ejection_rule *, struct ejection last, uint64_t now_ms);

#endif
