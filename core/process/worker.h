/*
 * worker - one event loop: listeners, clients, pools, policy.
 *
 * SIGTERM drains if lb stops: accept no more, finish what is in flight, return. SIGQUIT ends at
 * once. SIGHUP means that there may be another script. SIGINT is the supervisor's and ignored, and
 * so is any other SIGTERM: connections that the kernel gives to a worker that drains on its own
 * would wait until its last response is out. When another program has taken lb over, the worker
 * hands its idle clients over, and ends when the others have left. If the supervisor ends, the
 * worker drains, and ends a second after the drain timeout at the latest.
 */
#ifndef PROCESS_WORKER_H
#define PROCESS_WORKER_H

#include "config/config.h"
#include "reload/edition.h"
#include "shared/segment.h"

struct worker_task {
    const struct config *first; /* what lb was started with */
    struct edition *edition;
    struct segment *segment;
    unsigned worker;      /* 0 is worker 1 */
    const int *listeners; /* bound and listening, one for each address; taken */
    unsigned listeners_count;
    uint64_t drain_timeout_ms;
    int channel; /* from the supervisor (process/channel.h); -1: none */
};

/* SIGTERM and SIGQUIT are blocked until they are handled. The process's exit status: 0 after a
 * drain, 1 if it could not start. */
int worker_run(const struct worker_task *);

#endif
