/*
 * processes - what all processes of lb take, together: from /proc.
 */
#ifndef ADMIN_PROCESSES_H
#define ADMIN_PROCESSES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct processes {
    double cpu_seconds;      /* also of those that have ended; never less than before */
    uint64_t resident_bytes; /* what they share once */
    uint64_t open_fds, max_fds;
};

/* Of the supervisor and its children. */
struct processes processes_read(pid_t supervisor);

#endif
