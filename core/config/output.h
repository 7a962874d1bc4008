/*
 * output - where the lines of requests go, and in which format, by the options and the setting log.
 */
#ifndef CONFIG_OUTPUT_H
#define CONFIG_OUTPUT_H

#include "config/command_line.h"
#include "config/config.h"

/* In the supervisor, before it begins: from now on log.file is the standard output of this process
 * and its children, and the options have the formats in effect. False, and the reason on standard
 * error, if the file cannot be opened. */
bool output_open(const struct config *, struct options *) MUST_USE;

/* Does a new script change what cannot change while lb runs? */
bool output_differs(const struct config *, const struct config *first);
/* Gives it what `first` has of that. */
void output_keep(struct config *, const struct config *first);

#endif
