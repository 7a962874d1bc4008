/*
 * What a client has sent ahead of its turn, and was read. Most connections never have any of it,
 * and then there is no buffer.
 */
#include "base/mem.h"
#include "client/client_inside.h"

enum { EARLY_BYTES_MAX = LOOP_READ_BYTES };

/* While memory is tight no more than what came with the request. A PROXY header is short, and until
 * it is there the connection can do nothing else. */
bool early_has_room_behind(const struct client *c)
{
    return c->state == CLIENT_INTRODUCTION ||
           early_bytes(c) < (mem_is_tight() ? 1 : EARLY_BYTES_MAX);
}

void early_keep(struct client *c, struct slice bytes)
{
    if (c->early == NULL)
        c->early = mem_zalloc(sizeof *c->early);
    buffer_append(c->early, bytes);
}

void early_drop(struct client *c)
{
    if (c->early == NULL)
        return;
    buffer_dispose(c->early);
    mem_free(c->early);
    c->early = NULL;
}
