/*
 * program - the file that this process runs, where another one may be put in its place.
 */
#ifndef OS_PROGRAM_H
#define OS_PROGRAM_H

#include "base/check.h"
#include "base/slice.h"

#include <stdbool.h>

/* At the start, while the working directory is that of the start. Borrows the arguments. */
void program_remember(char **arguments);
const char *program_path(void); /* absolute; NULL: it is not known */
/* Runs what is at the path, with the arguments and the environment of the start, in this process.
 * Returns -errno if that fails. */
int program_run(void) MUST_USE;

char *const *program_arguments(void); /* of the start */
int program_open(void) MUST_USE; /* the file that runs now, whatever is at the path; -1 and errno */
/* It was run by such a descriptor: this is its path. */
void program_rename(struct slice path);

/* Is a descriptor to stay open in the program that is run, or not? */
void program_keep(int fd, bool keeps);

#endif
