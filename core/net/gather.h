/*
 * gather - what streams have to write, until it goes out: for net/ alone, others see net/stream.h.
 */
#ifndef NET_GATHER_H
#define NET_GATHER_H

#include "net/stream.h"

/* Past the gather; what the kernel does not take is copied and queued. For stream.c's own. */
void stream_write_now(struct stream *, const uv_buf_t *parts, unsigned count);
void stream_take_out(struct stream *); /* what is held of it goes out now, if there is anything */
void stream_forget_gathered(struct stream *);

#endif
