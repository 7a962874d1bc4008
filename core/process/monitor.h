/*
 * monitor - one event loop next to the workers: checks health, resolves names.
 *
 * Publishes verdicts and addresses on the board. Traffic does not notice when it dies; the
 * supervisor starts another. It ends at once on SIGQUIT, or on SIGTERM if lb stops; any other
 * SIGTERM is ignored. It goes by one script for its whole life: a reload starts another monitor,
 * which finds the verdicts of this one on the board.
 */
#ifndef PROCESS_MONITOR_H
#define PROCESS_MONITOR_H

#include "config/config.h"
#include "reload/edition.h"
#include "shared/segment.h"

/* The process's exit status. It exits itself if a lookup hangs: at exit(), libuv would wait. */
int monitor_run(const struct config *first, struct edition *, struct segment *);

#endif
