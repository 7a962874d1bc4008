/*
 * backend - one script's backends in one worker: identity, address, pool, numbers.
 *
 * What all processes must agree on is on the board; here are the derived things
 * that a worker keeps so that a request need not: the list of those available,
 * and the address in the form that connect takes.
 */
#ifndef UPSTREAM_BACKEND_H
#define UPSTREAM_BACKEND_H

#include "config/config.h"
#include "discover/members.h"
#include "net/loop.h"
#include "shared/board.h"
#include "upstream/pool.h"

struct backend {
    struct backends *all;
    unsigned index; /* its place among the members; settings->slot is the one on the board */
    const struct config_backend *settings;
    struct segment_share *share; /* this worker's numbers */
    struct pool *pool;           /* of its slot: other scripts have it, too; NULL: released */
    bool is_needed;              /* for backends_release */
    uint64_t left_ms;            /* since when it is not: */
    bool is_listed;              /* not: no new request goes there */
};

struct backends { /* of one script */
    struct loop *loop;
    struct pools *pools;
    const struct config *config;
    struct segment *segment;
    unsigned worker;
    struct ejection_rule ejection;
    struct membership members;
    struct backend *list; /* by place */
    unsigned count;       /* places that were ever used, */
    unsigned capacity;    /* and that there are */
    uint32_t *available;  /* indices, as of the generation below */
    uint32_t available_count;
    bool is_panic;                 /* they are all but those that drain: as health.panic says, */
    bool is_need;                  /* or as none is available: then each is to be claimed */
    uint64_t available_generation; /* ours: changes with every new list, never 0 */
    uint64_t board_generation;
    uint64_t valid_until_ms;
};

/* Borrows everything for its life. */
void backends_init(struct backends *, struct pools *, const struct config *, struct segment *,
                   unsigned worker, uint64_t edition);
/* Takes what the sources have found. True: members.changes has what is new. Cheap if nothing is. */
bool backends_follow(struct backends *);
/* After backends_need_none, and is_needed set: those that have left and are not needed are let go,
 * each after on_gone. */
void backends_let_left_go(struct backends *, void (*on_gone)(void *owner, unsigned place),
                          void *owner);
void backends_dispose(struct backends *); /* no lease is under way */
/* No new request goes to these. After backends_need_none, and is_needed set where a request is
 * under way: gives back the slots and pools of the others. May be called again when fewer are. */
void backends_need_none(struct backends *);
void backends_release(struct backends *);

/* The files of the settings have changed. */
void backends_take_files(struct backends *);
/* Brings available up to date; cheap if nothing has changed. */
void backends_refresh(struct backends *);

/* Where to connect: valid until the next call for it; NULL if its name leads nowhere (yet). */
const struct sockaddr *backend_address(struct backend *);
/* Where else its name leads, when a connect to that address has failed: how many. */
unsigned backend_other_addresses(const struct backend *, const struct sockaddr *failed,
                                 struct sockaddr_in6 out[SEGMENT_SPARES_MAX]);
/* One of these has served: this worker goes there until the monitor names another address. */
void backend_take_detour(struct backend *, const struct sockaddr_in6 *);

/* It is out because of failing traffic; it may be on trial. */
bool backend_is_ejected(const struct backend *);

/* It has max_in_flight attempts in flight, over all workers. */
bool backend_is_full(const struct backend *);
/* It has one less: a request that waits for a place hears of it. */
void backend_note_room(const struct backend *);

/* What real traffic met. The log says so if it changes the state. */
void backend_note_success(struct backend *);
/* A new connection is open; in_need: of a request that has claimed the backend as none was up. */
void backend_note_connected(struct backend *, bool in_need);
/* A connect has failed, whatever the request does now: the monitor looks at once. */
void backend_note_unreached(struct backend *);
/* The request is through with it. failed_to_connect: which the third in a row makes a verdict; code
 * is why. text is what backend.last_error says from now on. */
void backend_note_failure(struct backend *, bool failed_to_connect, int code, const char *text,
                          uint64_t began_us);

#endif
