/*
 * succession - the beginning of a program that takes the place of another one.
 *
 * Tried, it loads the script, looks whether all fits, says so on standard output and ends. In
 * earnest it has the children of the program before, who serve: so it never ends for lack of
 * something. It says what is missing and begins again a few seconds later, or when it is told.
 */
#ifndef PROCESS_SUCCESSION_H
#define PROCESS_SUCCESSION_H

#include "config/command_line.h"
#include "process/handover.h"

int succession_run(const struct options *, struct handover *); /* takes it; the exit status */

#endif
