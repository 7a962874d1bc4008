/*
 * trial - loads the script once as a worker does, in a process of its own that
 * is gone afterwards.
 *
 * So what goes wrong only there (in init, or within the worker's bound of memory)
 * is told once, before anything listens. It has a segment of its own: what the
 * script counts meanwhile, nobody sees.
 */
#ifndef RELOAD_TRIAL_H
#define RELOAD_TRIAL_H

#include "base/check.h"
#include "config/config.h"

#include <stdbool.h>

/* With rehearses: its hooks are called, too (lab/rehearsal.h). True: go on. False: end with
 * *status; the reason is on standard error, unless it is that SIGTERM, SIGINT or SIGQUIT came, when
 * *status is 0. signals: signals_open. */
bool trial_run(const struct config *, bool rehearses, int signals, int *status) MUST_USE;

#endif
