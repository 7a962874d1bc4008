/*
 * pools - one connection pool for each backend in use, by its slot of the board.
 *
 * A pool belongs to the slot, not to the script that names the backend: whichever
 * scripts have it in use, one after the other or at once, share its connections,
 * so a reload loses none. When nobody uses it any more its idle connections are
 * closed, those that are lent when they come back, and then it is gone.
 */
#ifndef UPSTREAM_POOLS_H
#define UPSTREAM_POOLS_H

#include "shared/segment.h"
#include "upstream/pool.h"

struct pools { /* all zero at first, but for the host's loop, make_room and owner */
    struct pool_host host;
    struct pool *list[SEGMENT_BACKENDS_MAX]; /* by slot; NULL: nobody uses it */
};

/* One use more. The time is the newest script's: it holds for all of them from now on. */
struct pool *pools_use(struct pools *, unsigned slot, uint64_t idle_ms);
void pools_release(struct pools *, unsigned slot);
/* Each pool closes the idle connection that was used longest ago. False: none is idle. */
bool pools_close_oldest(struct pools *);

#endif
