/*
 * monitor - one event loop beside the workers: checks health, resolves names.
 *
 * Publishes verdicts and addresses on the board. Traffic does not notice when it
 * dies; the supervisor starts another. Ends at once on SIGQUIT, or on SIGTERM
 * from its supervisor (segment->is_stopping); from others that is ignored.
 */
#ifndef PROCESS_MONITOR_H
#define PROCESS_MONITOR_H

#include "config/config.h"
#include "shared/segment.h"

/* The process's exit status. Does not return, but exits, if a lookup hangs: at
 * exit(), libuv would wait for it. */
int monitor_run(const struct config *, struct segment *);

#endif
