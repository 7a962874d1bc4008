/*
 * proxy - what all exchanges of a worker share.
 */
#ifndef PROXY_PROXY_H
#define PROXY_PROXY_H

#include "base/allowance.h"
#include "base/cipher.h"
#include "base/list.h"
#include "proxy/explain.h"
#include "proxy/plan.h"
#include "proxy/queue.h"
#include "upstream/pool.h"

struct proxy {
    struct loop *loop;
    struct segment_worker *slot;
    unsigned worker;
    uint64_t next_id; /* of a request, before the cipher; the workers count in different classes */
    struct cipher cipher;        /* with the same key in all, so that no two give the same id */
    uint64_t ids[CIPHER_BLOCKS]; /* made, */
    unsigned ids_left;           /* and how many of them nobody has yet */
    struct plan *plan;           /* which requests begin with now; NULL before the first */
    struct plans plans;          /* it, and those before it that requests still use */
    struct pools pools;
    struct allowance retries;
    struct explain explain;
    struct queue queue;
    uint64_t let_go_ms; /* proxy/sources.c: when backends that have left are looked at next */
};

void proxy_init(struct proxy *, struct loop *, struct segment *, unsigned worker); /* borrows */
/* Requests begin with this one from now on. Takes the plan's first use. */
void proxy_follow(struct proxy *, struct plan *);
/* All exchanges are over: frees the plans, whose pools close; then the loop has to turn until
 * none is open. */
void proxy_close(struct proxy *);
uint64_t proxy_new_id(struct proxy *);    /* of a request: nobody can reckon it from others */
void proxy_count_request(struct proxy *); /* one more that is over */
/* The current script is that edition, too. */
void proxy_renumber(struct proxy *, uint64_t edition);

#endif
