/*
 * rehearsal - a script's hooks, called once with a made-up request, before real ones meet it.
 *
 * Loads the script as a worker does, calls init, choose with all backends up, on_failure with a
 * connection refused, on_response with a 200 and with a 503, on_done, health and on_health. Nothing
 * of it is seen outside: counters and everything else that workers share are of a segment of its
 * own. A hook that begins to await has passed.
 *
 * A script may run into anything there that it may run into in a worker, and a process that
 * serves has one script's budget of time to watch: call it in a child (reload/trial.h).
 */
#ifndef LAB_REHEARSAL_H
#define LAB_REHEARSAL_H

#include "base/buffer.h"
#include "base/check.h"
#include "config/config.h"

#include <stdbool.h>

/* False, and what went wrong, with the script's line: "balancer.lua:7: .. (in choose, ..)". */
bool rehearsal_passes(const struct config *, struct buffer *error) MUST_USE;

#endif
