/*
 * told - what the supervisor tells this worker (process/channel.h), and the clients that come to it
 * from another worker, when it was told to take them.
 */
#ifndef PROCESS_TOLD_H
#define PROCESS_TOLD_H

#include "base/list.h"
#include "process/channel.h"
#include "process/entrance.h"

struct told {
    struct loop *loop;
    struct clients *clients;
    const struct entrance *entrance;
    uv_poll_t poll;
    int channel; /* -1: none */
    void (*on_drain)(struct told *);
    void (*on_hand_over)(struct told *, int to, bool takes_tls); /* takes it */
    struct list_node arrivals; /* sockets through which clients come */
};

void told_init(struct told *, struct clients *, const struct entrance *, int channel); /* borrows */
static inline bool told_awaits_clients(const struct told *t)
{
    return !list_is_empty(&t->arrivals);
}
void told_close(struct told *);

#endif
