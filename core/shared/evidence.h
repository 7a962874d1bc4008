/*
 * evidence - what connects of requests say of a backend: three that failed, and it is down; one,
 * and the monitor looks at it.
 *
 * One failure is no verdict: a packet may be lost. So requests are counted, not tries, and what
 * goes well between two takes all back. As with everything on the board a process may die at any
 * instruction: the next failure, or the next check, finds what it left.
 */
#ifndef SHARED_EVIDENCE_H
#define SHARED_EVIDENCE_H

#include "shared/segment.h"

enum { EVIDENCE_CONNECTS = 3 };

/* A request is through with the backend, as it could not connect. True: so many were in a row. */
bool evidence_note_failed(struct segment *, unsigned slot, uint64_t now_ms) MUST_USE;
/* A check that began then has gone well: what failed before says nothing any more. */
void evidence_note_checked(struct segment *, unsigned slot, uint64_t began_ms);
void evidence_clear(struct segment *, unsigned slot); /* it is another backend's from now on */

/* A connect has gone well: a load, unless there is news. */
static inline void evidence_note_connected(struct segment *s, unsigned slot)
{
    _Atomic uint64_t *word = &s->backends[slot].connects_failed;

    if (atomic_load_explicit(word, memory_order_relaxed) != 0)
        atomic_store(word, 0);
}

/* Before the first fork: look_fd, for all processes, unless the program before has made it. -1 and
 * errno if the system refuses. */
int evidence_open(struct segment *) MUST_USE;

/* The monitor is to look at once; it is woken, unless it knows. */
void evidence_ask_to_look(struct segment *, unsigned slot);
/* For the monitor. hear: it was woken. begin: does somebody ask? Then the look has begun. go_on:
 * the monitor before this one was asked, or had begun. end: true if somebody has asked since it
 * began; then another one has begun. */
void evidence_hear(struct segment *);
bool evidence_begin_look(struct segment *, unsigned slot) MUST_USE;
bool evidence_go_on_looking(struct segment *, unsigned slot) MUST_USE;
bool evidence_end_look(struct segment *, unsigned slot) MUST_USE;

#endif
