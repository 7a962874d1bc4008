/*
 * pid_file - the process id where others look for it.
 *
 * The file appears in one step, with the whole number in it, when the process serves. Whether it
 * can be written is known before.
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

/* Both: 0, or -1 and errno. With a NULL path there is no file, and both succeed. Borrows it. */
int pid_file_open(struct pid_file *, const char *path) MUST_USE;
int pid_file_publish(struct pid_file *) MUST_USE;
void pid_file_remove(struct pid_file *); /* unless another process has its file there */

#endif
