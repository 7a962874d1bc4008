/*
 * server - the admin listener: a small HTTP/1.1 server for few clients, slow or hostile ones, too.
 *
 * At most SERVER_CLIENTS over TCP, and as many over unix sockets; who comes then waits in the
 * kernel's queue until one leaves. Each has 10 s for a request and 30 s for taking its answer, and
 * takes up at most 128 KiB.
 */
#ifndef ADMIN_SERVER_H
#define ADMIN_SERVER_H

#include "admin/admin.h"
#include "net/loop.h"

enum { SERVER_CLIENTS = 64 };

struct server;

/* Takes the sockets, bound and listening, in the order of config->listen. Borrows the rest. It is
 * never closed: the process ends. */
struct server *server_new(struct loop *, const struct admin *, const int *sockets);
/* Accepts no more: who connects waits for the next process. Those that are there get answers. */
void server_leave(struct server *);

#endif
