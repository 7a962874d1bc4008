/*
 * clients - all client connections of a worker: accepting, draining, closing.
 *
 * An idle connection owns no buffer. What a client sends ahead of its turn is kept
 * up to one read, then it has to wait.
 */
#ifndef CLIENT_CLIENTS_H
#define CLIENT_CLIENTS_H

#include "base/list.h"
#include "client/incoming.h"
#include "config/config.h"
#include "net/deadline.h"
#include "net/listener.h"
#include "shared/segment.h"

struct clients;

struct clients_events {
    void (*on_request)(struct clients *, struct incoming *); /* answer it: its exchange begins */
    /* There is no valid head: answer with an error, if at all; the connection closes. */
    void (*on_bad_request)(struct clients *, struct incoming *, enum incoming_fault,
                           const char *text);
    void (*on_closed)(struct clients *); /* one client less */
};

struct clients { /* of one worker */
    struct loop *loop;
    struct config_timeouts timeouts;
    struct parse_limits limits;
    struct segment_worker *slot;
    const struct clients_events *events;
    void *owner;
    struct list_node all;
    struct list_node spare; /* blocks of incomings that ended */
    unsigned spare_count;
    unsigned count;
    bool is_draining;
};

void clients_init(struct clients *, struct loop *, const struct config *, struct segment_worker *,
                  const struct clients_events *, void *owner);
/* The settings of another script hold from now on, for connections that are there, too. */
void clients_follow(struct clients *, const struct config *);
void clients_dispose(struct clients *);                   /* when count is 0 */
void clients_accept(struct clients *, struct listener *); /* the connection that is waiting there */
/* Closes idle ones now and the others after their current answer. */
void clients_drain(struct clients *);
void clients_close_all(struct clients *); /* whatever they are doing */

#endif
