/*
 * upload - the body of a request on its way to a backend, and again if need be.
 *
 * What has been read of it is kept from its first byte, up to limits.replay, so that
 * it can go out to another backend. While there is no backend nothing beyond that is
 * read; while the backend is slow the client is paused. With body_first there is no
 * backend until so much is there: a client that sends slowly holds no place at one.
 * While memory is tight (base/mem.h) a piece that has gone out is not kept, and no more than one
 * waits for a backend.
 */
#ifndef PROXY_UPLOAD_H
#define PROXY_UPLOAD_H

#include "base/buffer.h"
#include "client/incoming.h"
#include "proxy/attempt.h"

struct upload {
    struct incoming *in;
    uint64_t keep_max, body_max; /* bytes; body_max 0: no limit */
    struct buffer kept;          /* to be disposed of in the end */
    bool is_whole;               /* all that was read is kept: the body can go out again */
};

void upload_init(struct upload *, struct incoming *, const struct config_limits *); /* borrows */
/* By what it promises, or by what has come, it is larger than limits.body. */
bool upload_is_too_large(const struct upload *);
size_t upload_held_bytes(const struct upload *);
/* All that was read has gone to a backend, and cannot go to another one any more. */
void upload_drop(struct upload *);
/* A piece was read and no backend is there to take it. False: that is all which is kept. */
bool upload_keep(struct upload *, struct slice piece);
/* A piece was read and goes to the attempt's backend. */
void upload_send(struct upload *, struct attempt *, struct slice piece);
/* The attempt is connected and its head was added: sends what is there. */
void upload_begin(struct upload *, struct attempt *);
/* The last piece was read and sent: the end of the body follows, and its trailer fields. */
void upload_end(struct upload *, struct attempt *);

#endif
