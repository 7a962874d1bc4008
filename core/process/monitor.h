/*
 * monitor - one event loop beside the workers: checks health, resolves names.
 *
 * Publishes verdicts and addresses on the board. Traffic does not notice when it
 * dies; the supervisor starts another. Ends at once on SIGQUIT, or on SIGTERM
 * from its supervisor (segment->is_stopping); from others that is ignored. It goes by
 * one script for its whole life: a reload starts another monitor, which finds the
 * verdicts of this one on the board.
 */
#ifndef PROCESS_MONITOR_H
#define PROCESS_MONITOR_H

#include "config/config.h"
#include "reload/edition.h"
#include "shared/segment.h"

/* The process's exit status. Does not return, but exits, if a lookup hangs: at
 * exit(), libuv would wait for it. */
int monitor_run(const struct config *first, struct edition *, struct segment *);

#endif
