/*
 * supervisor - starts the monitor and the workers, replaces those that die, and
 * ends them all. It touches no traffic and runs no script.
 *
 * SIGTERM and SIGINT drain: the workers accept no more, finish what is in flight
 * within the drain timeout, and are ended then. A second one, or SIGQUIT, ends
 * them at once. However long it took, being told to stop is no failure: the status
 * is 0. Without a supervisor, killed as it may be, the others end, too.
 */
#ifndef PROCESS_SUPERVISOR_H
#define PROCESS_SUPERVISOR_H

#include "config/command_line.h"
#include "config/config.h"
#include "shared/segment.h"

/* Runs until told to stop. The exit status: 0, or 1 if it could not start; the
 * reason is on standard error then. Borrows everything; signals is signals_open's.
 * The log must not be open. Child processes leave through exit(), from inside this
 * call. */
int supervisor_run(const struct config *, struct segment *, const struct options *, int signals);

#endif
