#include "upstream/pools.h"

#include "base/check.h"

struct pool *pools_use(struct pools *pools, unsigned slot, uint64_t idle_ms)
{
    struct pool **pool;

    CHECK(slot < SEGMENT_BACKENDS_MAX);
    pool = &pools->list[slot];
    if (*pool == NULL)
        *pool = pool_new(&pools->host);
    (*pool)->uses++;
    (*pool)->idle_ms = idle_ms;
    return *pool;
}

void pools_release(struct pools *pools, unsigned slot)
{
    struct pool *pool = pools->list[slot];

    if (--pool->uses > 0)
        return;
    pools->list[slot] = NULL;
    pool_close(pool);
}

bool pools_close_oldest(struct pools *pools)
{
    bool is_closed = false;

    for (unsigned slot = 0; slot < SEGMENT_BACKENDS_MAX; slot++) {
        struct pool *pool = pools->list[slot];

        if (pool != NULL)
            is_closed |= pool_close_oldest(pool);
    }
    return is_closed;
}
