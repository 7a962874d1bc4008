/*
 * worker - one event loop: listeners, clients, pools, policy.
 *
 * Runs until it is told to stop: SIGTERM drains (accept no more, finish what is
 * in flight, return), SIGQUIT ends at once, SIGINT and SIGHUP are the
 * supervisor's business and ignored. Ends when its supervisor does.
 */
#ifndef PROCESS_WORKER_H
#define PROCESS_WORKER_H

#include "config/config.h"
#include "shared/segment.h"

/* Takes the listening sockets (already bound and listening, one per address).
 * The process's exit status: 0 after a drain, 1 if it could not start. */
int worker_run(const struct config *, struct segment *, unsigned slot, const int *listeners,
               unsigned listeners_count);

#endif
