/*
 * demo - two backends and a balancer in front of them, to try things out.
 *
 * Everything is a child of one process and ends with it: on SIGINT, SIGTERM or
 * SIGHUP, or however else it ends. A backend that is stopped stays so until
 * SIGUSR1 starts again what is stopped. The options are the balancer's.
 */
#ifndef PROCESS_DEMO_H
#define PROCESS_DEMO_H

#include "config/command_line.h"

int demo_run(const struct options *); /* the exit status; errors are on standard error */

#endif
