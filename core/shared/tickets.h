/*
 * tickets - the keys that seal the session tickets of TLS, the same in all workers.
 *
 * The supervisor makes a new key every hour, which overwrites the oldest: nobody can open that
 * key's tickets any more. The keys survive a reload and the death of a worker. Their page is
 * locked, and no core dump has it.
 */
#ifndef SHARED_TICKETS_H
#define SHARED_TICKETS_H

#include "shared/segment.h"

struct tickets_keys { /* the first is the newest, and seals; the others only open */
    uint8_t key[SEGMENT_TICKET_KEYS][SEGMENT_TICKET_KEY_BYTES];
};

/* Makes the first keys, unless the program before has made them. False: the system gives no random
 * bytes. */
bool tickets_open(struct segment *) MUST_USE;
void tickets_keep_up(struct segment *, uint64_t now_ms); /* called by the supervisor now and then */
/* False: there are no keys, or they change at this moment. */
bool tickets_read(const struct segment *, struct tickets_keys *) MUST_USE;

#endif
