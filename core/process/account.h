/*
 * account - a worker's part of limits.memory, and which clients end when it is used up.
 *
 * At three quarters of the part memory is tight, at all of it full: base/mem.h. What the worker
 * had before its first client does not count.
 */
#ifndef PROCESS_ACCOUNT_H
#define PROCESS_ACCOUNT_H

#include "base/log.h"
#include "client/clients.h"
#include "config/config.h"
#include "upstream/pool.h"

struct account {
    struct clients *clients;
    struct pools *pools;
    size_t before_clients; /* bytes */
    size_t part;           /* bytes */
    struct log_interval log;
    unsigned ended_unlogged, closed_unlogged; /* that no line has reported */
    bool was_full;                            /* since the last account_tick */
};

void account_init(struct account *, struct clients *, struct pools *); /* borrows both */
void account_follow(struct account *, const struct config *); /* its settings hold from now on */
void account_relieve(struct account *); /* memory is full: loop->on_memory_full */
void account_tick(struct account *);    /* each second */

#endif
