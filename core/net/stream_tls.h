/*
 * stream_tls - what a stream does with the bytes of its TLS, and which events come of them.
 *
 * For net/stream.
 */
#ifndef NET_STREAM_TLS_H
#define NET_STREAM_TLS_H

#include "net/stream_write.h"

void stream_take_sealed(struct stream *, struct slice sealed); /* bytes that were read */
void stream_on_turn(struct tls *);                             /* net/tls_turns.h */
/* The connection has ended. That ends a handshake, too, in which we are the client. */
void stream_report_end(struct stream *, int status);
/* Bytes for the owner that a look has kept go there. False: the owner does not want more. */
bool stream_report_kept(struct stream *);
enum socket_look stream_look_sealed(struct stream *); /* as net/stream.h says */

static inline bool stream_has_kept(const struct stream *s)
{
    return s->tls != NULL && s->tls->state >= TLS_OPEN && buffer_length(&s->tls->kept) > 0;
}

#endif
