/*
 * supervisor - starts the monitor and the workers, replaces what dies, and ends all. It touches no
 * traffic and runs no script.
 *
 * SIGTERM and SIGINT drain: the workers accept no more, finish what is in flight within the drain
 * timeout, and are ended then. A second signal, or SIGQUIT, ends them at once. The status is 0 even
 * so. If the supervisor is killed, its children end, too.
 */
#ifndef PROCESS_SUPERVISOR_H
#define PROCESS_SUPERVISOR_H

#include "config/command_line.h"
#include "config/config.h"
#include "process/handover.h"
#include "shared/segment.h"

struct supervisor_task { /* borrowed */
    const struct config *config;
    struct segment *segment;
    int segment_fd; /* -1: it cannot be handed over */
    const struct options *options;
    int signals;               /* signals_open's */
    struct handover *handover; /* of the program before in this process; NULL: nothing */
};

/* Runs until a signal ends it. The exit status: 0, or 1 and the reason on standard error if it
 * could not start. The log must not be open. Children leave through exit(), from inside this
 * call. SIGUSR2 may put another program in its place: then it never returns. */
int supervisor_run(const struct supervisor_task *);

#endif
