/*
 * pid_file - the process id where others look for it.
 *
 * Appears in one step, when the process serves: whoever finds the file finds the
 * whole number in it. Whether it can be written is known before.
 */
#ifndef OS_PID_FILE_H
#define OS_PID_FILE_H

#include "base/check.h"

#include <stdbool.h>

struct pid_file { /* all zero: none */
    const char *path;
    char draft[4096];
    bool is_there;
};

/* Both: 0, or -1 and errno. A NULL path: there is none, and all is well. Borrows it. */
int pid_file_open(struct pid_file *, const char *path) MUST_USE;
int pid_file_publish(struct pid_file *) MUST_USE;
void pid_file_remove(struct pid_file *); /* unless another process has put its own there */

#endif
