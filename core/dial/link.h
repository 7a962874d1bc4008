/*
 * link - a connection that a script has asked for: to Redis, to an HTTP service.
 *
 * It frees itself when it is closed. There are at most as many of them in a process as
 * script.connections says, fewer if the process may open few descriptors, so that no script takes
 * those that clients and backends need. What comes in, and what lb.http sends, is held in buffers
 * that are counted for all links together, so that they leave memory for clients.
 */
#ifndef DIAL_LINK_H
#define DIAL_LINK_H

#include "base/buffer.h"
#include "dial/secured.h"
#include "net/stream.h"

enum { LINKS_HELD_BYTES_MAX = 64 << 20 };

struct link {
    struct stream stream; /* the owner gets its events; the owner may change once it is open */
    void *owner;
    uint64_t opened_ms;      /* by the loop's clock */
    struct secured *secured; /* NULL: without TLS */
};

static inline struct link *link_of(struct stream *s)
{
    return list_entry(s, struct link, stream);
}

void link_on_closed(struct stream *); /* for the events of each owner: frees the link */

void links_set_limit(uint64_t connections); /* script.connections, of the newest script */
unsigned links_limit(void);                 /* how many there may be; asks the system once */
bool links_are_full(void);

/* Waits for a place until it leaves the list, list_remove(&waiter->node). on_room comes once, from
 * the loop, when a place is free or another link rests. A waiter that finds none then waits again,
 * before later ones. */
struct links_waiter {
    struct list_node node;
    bool was_woken; /* its turn has come, and no other's before it has a place */
    void (*on_room)(struct links_waiter *);
};

void links_wait(struct links_waiter *);
void links_wake(struct loop *); /* one of those */

/* Begins to open one; on_connected reports how that ends. Then link_secure, if secured is not NULL.
 * 0, or a negative libuv code: then *out is NULL. */
int link_open(struct link **out, struct loop *, const struct sockaddr *, struct secured *,
              const struct stream_events *, void *owner) MUST_USE;
void link_secure(struct link *); /* as stream_secure_to */
void link_close(struct link *);  /* no more events */

extern const char held_too_many[]; /* what is wrong then, in words */

/* All of these buffers may hold so many bytes together, and no more than LINKS_HELD_BYTES_MAX. */
void held_set_limit(size_t bytes);

/* Appends bytes to a buffer of a link's owner. False, and nothing is appended, if all of these
 * buffers together would be too large. */
bool held_append(struct buffer *, struct slice bytes) MUST_USE;
void held_dispose(struct buffer *);
/* Counts bytes of the caller's own with them. False, and nothing is counted: that is too many. */
bool held_take(size_t bytes) MUST_USE;
void held_give(size_t bytes);

#endif
