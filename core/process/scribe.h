/*
 * scribe - a process that knows this program's segment when the next program has another one.
 *
 * While workers of this program run they count in their segment. The next program, which cannot
 * read it, asks the scribe what has changed since it was asked last (shared/changed.h), until they
 * have ended. The scribe ends with its channel.
 */
#ifndef PROCESS_SCRIBE_H
#define PROCESS_SCRIBE_H

#include "base/records.h"
#include "shared/slots.h"

#include <sys/types.h>

struct scribe {
    pid_t pid;
    int channel;
};

/* Begins with what was carried over. 0, or -1 and errno. */
int scribe_start(struct scribe *, struct segment *, const struct slots *,
                 struct slice carried) MUST_USE;
/* The child, for the next program. */
void scribe_write(const struct scribe *, uint64_t memory, struct buffer *out);
uint64_t scribe_memory(int segment_fd); /* by which a segment is known; 0: not at all */

/* --- in the next program; 0, or -errno --- */

int scribe_ask(int channel) MUST_USE;
int scribe_hear(int channel, struct buffer *changes) MUST_USE; /* -EAGAIN: no answer yet */

#endif
