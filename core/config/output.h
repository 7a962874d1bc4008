/*
 * output - where the lines of requests go, and in which format, by the options and the setting log.
 */
#ifndef CONFIG_OUTPUT_H
#define CONFIG_OUTPUT_H

#include "config/command_line.h"
#include "config/config.h"

/* In the supervisor, before it begins: log.file is standard output from now on, of this process and
 * its children, and the formats of the options are those in effect. False, and last words were
 * said, if the file cannot be opened. */
bool output_open(const struct config *, struct options *) MUST_USE;

/* Has another script another idea of what cannot change while lb runs? */
bool output_differs(const struct config *, const struct config *first);
/* And it keeps what `first` has. */
void output_keep(struct config *, const struct config *first);

#endif
