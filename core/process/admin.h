/*
 * admin - the process of the admin listener: one event loop, no Lua, no traffic.
 *
 * All that it tells it reads from the segment, also the spans that it sends (admin/exporter.h).
 * Nobody notices when it dies; the supervisor, which has its sockets, starts another. It stays
 * while lb drains, and ends on SIGQUIT, when the last spans are sent; if lb goes on, also soon
 * after SIGTERM.
 */
#ifndef PROCESS_ADMIN_H
#define PROCESS_ADMIN_H

#include "admin/admin.h"

/* The process's exit status. sockets: in the order of config->listen. */
int admin_run(const struct admin *, const int *sockets);

#endif
