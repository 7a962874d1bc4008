/*
 * routes - the table of what the admin listener answers. A new route is a line in routes.c and a
 * function.
 */
#ifndef ADMIN_ROUTES_H
#define ADMIN_ROUTES_H

#include "admin/answer.h"

/* Who may ask. */
enum route_door {
    ROUTE_OPEN,  /* everybody */
    ROUTE_PAGE,  /* over a unix socket, or over TCP if there is a token: a browser has none yet */
    ROUTE_KNOWN, /* over a unix socket, or over TCP with the token */
    ROUTE_LOCAL, /* over a unix socket */
};

struct route {
    const char *method, *path; /* a * stands for one part of a path, or for its end */
    enum route_door door;
    answer_write *write;
};

/* The route for a request, whose name it fills in. One that there is not is answered by a route,
 * too: 404 with the nearest right one, or 405. Never NULL. */
const struct route *routes_find(struct answer *);

static inline bool route_changes(const struct route *route)
{
    return strcmp(route->method, "GET") != 0;
}

#endif
