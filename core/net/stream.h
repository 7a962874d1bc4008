/*
 * stream - one connection: TCP or a unix socket, client's or backend's side.
 *
 * The states are opening (after stream_connect), open, closing, closed. Bytes
 * read are borrowed for the length of the event. Writes are tried at once; what
 * the kernel refuses is copied and queued, and on_drained says when the queue is
 * empty again. A producer of bytes stops while stream_backlog is not 0.
 *
 * Events come from the loop, never inside a call. After stream_close comes
 * exactly one, on_closed, and only then is the memory the owner's again.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "net/stream_tls.h"
#include "net/stream_write.h"
#include "net/tls_connect.h"
#include "net/tls_handshake.h"

#include <netinet/in.h>

/* Takes a socket that was accepted. */
void stream_accept(struct stream *, struct loop *, int socket, const struct stream_events *);
/* For an accepted stream, before it is read: TLS begins, and on_secured comes when the handshake is
 * over. read: sealed bytes that were read before. */
void stream_secure(struct stream *, struct tls_server *, struct slice read);
/* For a stream that has connected, inside on_connected or later: TLS begins, and on_secured comes
 * when the handshake is over. It is read. Borrows the target, which is set, until stream_close. */
void stream_secure_to(struct stream *, struct tls_target *);
/* Begins to connect; on_connected reports the result. 0, or a negative libuv code that says why it
 * could not even begin; then the stream must still be closed. */
int stream_connect(struct stream *, struct loop *, const struct sockaddr *,
                   const struct stream_events *) MUST_USE;
/* The same for a connection of another process, which is OPEN. False: it makes no sense. */
bool stream_arrive_secure(struct stream *, struct tls_server *, struct slice *moved) MUST_USE;
void stream_read(struct stream *); /* on_bytes and on_end come from now on */
/* Of a stream that was never read, from a deferred event or one of its own: if bytes are there,
 * and the peer has not reset, one event brings them before this returns, and the loop watches the
 * socket only after stream_read; else this begins to read. A stream that ends soon need never be
 * watched. */
void stream_read_first(struct stream *);
void stream_reset(struct stream *); /* like stream_close, but the peer sees a reset, not an end */
void stream_close(struct stream *); /* what is queued is lost; twice is fine */

/* Of a stream that is not being read, so that no event reports it: has the connection been reset,
 * or given up by the kernel (stream_keep_alive)? An end in peace is neither. A system call. */
static inline bool stream_is_dead(const struct stream *s)
{
    return s->failure != 0 || socket_is_dead(stream_fd(s));
}

/* From now on the kernel asks the peer every few seconds whether it still knows this connection,
 * and gives the connection up if the peer does not know it or does not answer. A peer that has
 * closed looks like a peer that has half-closed until its kernel forgets the socket: in Linux that
 * takes a minute after the end of the sending side (tcp_fin_timeout), unless a byte for it comes
 * before. */
static inline void stream_keep_alive(const struct stream *s)
{
    if (s->uv.handle.type == UV_TCP)
        socket_keep_alive(stream_fd(s));
}

/* What is there to be read at this moment? A system call. Over TLS that may be a message of the
 * protocol, which is no byte for the owner: so it is read, and bytes for the owner are kept until
 * the owner reads. */
static inline enum socket_look stream_look(struct stream *s)
{
    if (s->tls != NULL && s->failure == 0 && stream_has_kept(s))
        return SOCKET_BYTES; /* perhaps with an end behind them */
    if (s->failure != 0 || s->has_ended)
        return SOCKET_BROKEN;
    return s->tls == NULL ? socket_look(stream_fd(s)) : stream_look_sealed(s);
}

/* Of an idle stream: is there a byte or an end to be read? */
static inline bool stream_is_stale(struct stream *s)
{
    return stream_look(s) != SOCKET_QUIET;
}

/* Is there an end? What was sent before it was read, or never came. */
static inline bool stream_is_at_end(struct stream *s)
{
    enum socket_look look = stream_look(s);

    return look == SOCKET_END || look == SOCKET_BROKEN;
}

static inline bool stream_has_bytes(struct stream *s)
{
    return stream_look(s) == SOCKET_BYTES;
}

#endif
