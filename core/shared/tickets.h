/*
 * tickets - the keys that session tickets of TLS are sealed with, the same in all workers.
 *
 * The supervisor makes a new one every hour, and the oldest is overwritten: what was sealed with it
 * can be opened by nobody any more. A reload keeps them, and so does the death of a worker. Their
 * page is locked and in no core dump.
 */
#ifndef SHARED_TICKETS_H
#define SHARED_TICKETS_H

#include "shared/segment.h"

struct tickets_keys { /* the newest first, which seals; the others open only */
    uint8_t key[SEGMENT_TICKET_KEYS][SEGMENT_TICKET_KEY_BYTES];
};

/* The first keys. False if the system gives nothing random. */
bool tickets_open(struct segment *) MUST_USE;
void tickets_keep_up(struct segment *, uint64_t now_ms); /* by the supervisor, now and then */
/* False: there are none, or they change at this moment. */
bool tickets_read(const struct segment *, struct tickets_keys *) MUST_USE;

#endif
