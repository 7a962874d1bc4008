/*
 * trial - loads the script once as a worker does, before anything listens, in a process of its own
 * that is gone afterwards.
 *
 * So what fails only there (in init, or for the worker's bound of memory) is said once, and not by
 * each worker. The process has a segment of its own: nobody sees what the script counts in it.
 */
#ifndef RELOAD_TRIAL_H
#define RELOAD_TRIAL_H

#include "base/check.h"
#include "config/config.h"

#include <stdbool.h>

/* True: continue. False: end with *status. The reason is on standard error then; if SIGTERM, SIGINT
 * or SIGQUIT came, *status is 0 and there is none. rehearses: the hooks are called, too
 * (lab/rehearsal.h). signals: signals_open's. */
bool trial_run(const struct config *, bool rehearses, int signals, int *status) MUST_USE;

#endif
