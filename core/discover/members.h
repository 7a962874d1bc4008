/*
 * members - the backends that one process goes by: the script's own, and those that sources have
 * found.
 *
 * Each has a place, a number that it keeps for as long as anybody needs it. members_follow brings
 * all up to date with the roster: who joined gets a free place, and who left keeps its own until
 * members_free. The order is that of the script, and then that of the sources.
 */
#ifndef DISCOVER_MEMBERS_H
#define DISCOVER_MEMBERS_H

#include "config/config.h"
#include "shared/roster.h"

struct member {
    const struct config_backend *settings; /* NULL: the place is free */
    struct config_backend *own;            /* the same, of one that was found; else NULL */
    uint32_t version;                      /* of its roster entry */
    bool is_listed;                        /* not: it has left */
};

enum member_news { MEMBER_JOINED, MEMBER_CHANGED, MEMBER_LEFT };

struct member_change {
    uint32_t place;
    enum member_news news;
};

struct membership {
    const struct config *config;
    const struct segment *segment;
    uint64_t edition; /* of the script */
    struct member *list;
    unsigned capacity, count; /* places; those that were ever used */
    unsigned left;            /* have left, and have their places still */
    unsigned free_from;       /* no place before it is free */
    uint32_t *order;          /* the places of those that are listed */
    unsigned listed;
    uint64_t number;   /* of the list that they go by; 0: none yet */
    uint64_t wanted;   /* and of the one that was wanted */
    uint16_t *by_slot; /* place + 1 of the listed ones; NULL: the script has no sources */
    struct member_change *changes; /* of the last follow */
    unsigned changes_count;
};

/* The script's own. Borrows all. */
void members_init(struct membership *, const struct config *, const struct segment *,
                  uint64_t edition);
void members_dispose(struct membership *);
/* True: changes has what is new. To be called often: it costs a read if nothing is. */
bool members_follow(struct membership *);
void members_free(struct membership *, unsigned place); /* of one that has left */

#endif
