/*
 * clients_inside - what the connections of a worker share.
 *
 * For this folder; the others get it with client/clients.h.
 */
#ifndef CLIENT_CLIENTS_INSIDE_H
#define CLIENT_CLIENTS_INSIDE_H

#include "base/list.h"
#include "base/log.h"
#include "client/incoming.h"
#include "config/config.h"
#include "net/deadline.h"
#include "net/listener.h"
#include "net/tls_handshake.h"
#include "shared/segment.h"

struct clients;

struct clients_events {
    void (*on_request)(struct clients *, struct incoming *); /* answer it: its exchange begins */
    /* There is no valid head: answer with an error, if at all; the connection closes. */
    void (*on_bad_request)(struct clients *, struct incoming *, enum incoming_fault,
                           const char *text);
    void (*on_left)(struct clients *); /* one client less: its place is free */
};

/* In the order in which they are given up. To move a connection costs something: once awake it
 * stays in its list until it rests again, or somebody looks for a connection that rests. */
enum clients_list {
    CLIENTS_LEAVING, /* that have got their last answer, and do not close */
    CLIENTS_SILENT, /* that have sent no request yet, or are not even ready for one, as they came */
    CLIENTS_IDLE,   /* the longest idle first */
    CLIENTS_TRUSTED, /* idle ones of trusted_proxies, the same */
    CLIENTS_BUSY,    /* that are not given up */
    CLIENTS_LISTS,
};

struct moving { /* client/moving.h */
    struct clients *clients;
    int socket;            /* to the worker that goes on with them */
    struct deadline again; /* it had no room: another try */
    bool takes_tls;        /* it understands net/tls_move.h as we do */
};

struct clients { /* of one worker; all zero before clients_init but these six, which it borrows */
    struct loop *loop;
    const struct config *config; /* then that of the last clients_follow */
    struct segment *segment;
    unsigned worker;
    const struct clients_events *events;
    void *owner;

    struct config_timeouts timeouts;
    struct parse_limits limits;
    struct list_node lists[CLIENTS_LISTS]; /* of all of them */
    struct list_node spare;                /* blocks of incomings that ended */
    unsigned spare_count, spare_least;     /* now; at least so many since the last clients_tick */
    unsigned count;                        /* with those whose memory is not given back yet */
    unsigned open;                         /* that have a place and a descriptor */
    unsigned refused;                      /* of them: limits.per_client */
    struct log_interval refused_log;       /* connections */
    struct log_interval strangers_log;     /* for client/introduction.h */
    struct log_interval tls_log;           /* for client/handshake.h, which counts in */
    struct log_interval abuse_log, rules_log; /* for client/h2.h */
    struct tls_server tls;
    struct moving *moving; /* NULL: nobody moves; else it drains, too */
    bool is_draining;
    bool weighs_requests; /* limits.per_client_requests or connection_age is set */
};

#endif
