/*
 * ask - the commands that ask a running lb: lb status, lb drain NAME, lb reload and others.
 *
 * A thin client of the admin listener: it prints what that answers.
 */
#ifndef PROCESS_ASK_H
#define PROCESS_ASK_H

#include "config/command_line.h"

/* The exit status: 0; 1, and why on standard error: lb does not answer, or refuses. */
int ask_run(const struct options *);

#endif
