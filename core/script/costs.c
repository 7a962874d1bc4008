#include "script/costs.h"

enum { WINDOW_MS = 1000 };

static bool is_recent(const struct costs *c, unsigned i, uint64_t now_ms)
{
    return c->stopped[i].took_us > 0 && c->stopped[i].at_ms + WINDOW_MS > now_ms;
}

/* Of one client; 0: of all. */
static uint64_t sum(const struct costs *c, uint64_t client, uint64_t now_ms)
{
    uint64_t us = 0;

    for (unsigned i = 0; i < COSTS_MAX; i++)
        if (is_recent(c, i, now_ms) && (client == 0 || c->stopped[i].client == client))
            us += c->stopped[i].took_us;
    return us;
}

/* 0: nobody. */
static uint64_t most_costly(const struct costs *c, uint64_t now_ms)
{
    uint64_t most_us = 0, client = 0;

    for (unsigned i = 0; i < COSTS_MAX; i++) {
        uint64_t us = c->stopped[i].client != 0 && is_recent(c, i, now_ms)
                          ? sum(c, c->stopped[i].client, now_ms)
                          : 0;

        if (us > most_us) {
            most_us = us;
            client = c->stopped[i].client;
        }
    }
    return client;
}

/* What it has taken is paid for: it counts no more. */
static void refuse(struct costs *c, uint64_t client, uint64_t now_ms)
{
    unsigned at = c->next_refused++ % COSTS_REFUSED_MAX;

    for (unsigned i = 0; i < COSTS_MAX; i++)
        if (c->stopped[i].client == client)
            c->stopped[i].took_us = 0;
    c->refused_until_ms = now_ms + COSTS_REFUSED_MS;
    c->refused[at].client = client;
    c->refused[at].until_ms = c->refused_until_ms;
}

void costs_note(struct costs *c, uint64_t client, uint32_t took_us, uint64_t now_ms)
{
    unsigned at = c->next++ % COSTS_MAX;

    c->stopped[at].client = client;
    c->stopped[at].at_ms = now_ms;
    c->stopped[at].took_us = took_us;
    if (sum(c, 0, now_ms) <= COSTS_SHARE_US)
        return;
    client = most_costly(c, now_ms);
    if (client != 0)
        refuse(c, client, now_ms);
}

bool costs_has_refused(struct costs *c, uint64_t client, uint64_t now_ms)
{
    if (now_ms >= c->refused_until_ms) {
        c->refused_until_ms = 0;
        return false;
    }
    for (unsigned i = 0; i < COSTS_REFUSED_MAX; i++)
        if (c->refused[i].client == client && now_ms < c->refused[i].until_ms)
            return true;
    return false;
}
