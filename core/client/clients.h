/*
 * clients - all client connections of a worker: accepting, draining, closing.
 *
 * An idle connection owns no buffer. What a client sends ahead of its turn is kept
 * up to one read, then it has to wait. A connection that is one too many of its address
 * (limits.per_client) is refused by the answer to its first request, or at once if many are.
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
    void (*on_left)(struct clients *); /* one client less: its place is free */
};

/* In the order in which they are given up. Being moved costs something: one that has woken is found
 * in its list until it rests again, or somebody looks for one that rests. */
enum clients_list {
    CLIENTS_LEAVING, /* that have got their last answer, and do not close */
    CLIENTS_SILENT,  /* that have sent no request yet, or no whole PROXY header, as they came */
    CLIENTS_IDLE,    /* the longest idle first */
    CLIENTS_TRUSTED, /* idle ones of trusted_proxies, the same */
    CLIENTS_BUSY,    /* that are not given up */
    CLIENTS_LISTS,
};

struct clients { /* of one worker */
    struct loop *loop;
    struct config_timeouts timeouts;
    struct parse_limits limits;
    const struct config *config; /* that of the last clients_follow: for limits.per_client */
    struct segment *segment;
    unsigned worker;
    const struct clients_events *events;
    void *owner;
    struct list_node lists[CLIENTS_LISTS]; /* of all of them */
    struct list_node spare;                /* blocks of incomings that ended */
    unsigned spare_count, spare_least;     /* now; at least so many since the last clients_tick */
    unsigned count;                        /* with those whose memory is not given back yet */
    unsigned open;                         /* that have a place and a descriptor */
    unsigned refused;                      /* of them: limits.per_client */
    uint64_t refused_untold;               /* connections since the log told of some */
    uint64_t tell_again_ms;                /* not before this */
    uint64_t strangers_untold;             /* the same of client/introduction.h */
    uint64_t tell_strangers_ms;
    bool is_draining;
};

void clients_init(struct clients *, struct loop *, const struct config *, struct segment *,
                  unsigned worker, const struct clients_events *, void *owner);
/* The settings of another script hold from now on, for connections that are there, too; but none
 * is refused that was accepted. Borrows them until the next call. */
void clients_follow(struct clients *, const struct config *);
void clients_dispose(struct clients *); /* when count is 0 */
/* Takes the socket, of a connection that has come by this listener, which outlives it. */
void clients_accept(struct clients *, const struct listener *, int socket,
                    const struct sockaddr_in6 *peer);
/* Something has run out: closes one that nobody would miss, without an answer. It is gone at once
 * but for its memory. False: there is none now; one that has just come, or has just been answered,
 * is left in peace for a moment. */
bool clients_give_up(struct clients *);
void clients_tick(struct clients *); /* each second: gives back what that second had no use for */
/* Closes idle ones now and the others after their current answer. */
void clients_drain(struct clients *);
void clients_close_all(struct clients *); /* whatever they are doing */

#endif
