/*
 * ready - lb ready: is the lb with these settings ready? Its admin listener says it; without one,
 * it is ready if it accepts connections. For health checks.
 */
#ifndef PROCESS_READY_H
#define PROCESS_READY_H

#include "config/config.h"

/* The exit status: 0, or 1 and the reason on standard error. Takes 2 s at most. */
int ready_run(const struct config *);

#endif
