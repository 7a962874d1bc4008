/*
 * demo - two backends and a balancer in front of them, to try things out.
 *
 * All are children of one process and end with it: on SIGINT, SIGTERM or SIGHUP, or however else
 * it ends. SIGUSR1 starts stopped backends again. The options are the balancer's.
 */
#ifndef PROCESS_DEMO_H
#define PROCESS_DEMO_H

#include "config/command_line.h"

int demo_run(const struct options *); /* the exit status; errors are on standard error */

#endif
