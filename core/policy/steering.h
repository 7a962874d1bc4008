/*
 * steering - what a script may do to a backend: eject it, drain it, weigh it.
 *
 * Each is for all workers at once, and said in the log by whoever changed something.
 * Called by name from policy/backends.lua; slots are checked here, texts may hold any byte.
 */
#ifndef POLICY_STEERING_H
#define POLICY_STEERING_H

#include "shared/segment.h"

#include <stddef.h>

/* True: it is out for so long. False: it is down, or the last one, or half of all are out. */
bool steering_eject(struct segment *, uint32_t slot, const char *name, double seconds,
                    const char *why, size_t why_length);
bool steering_drain(struct segment *, uint32_t slot, const char *name, bool draining);
void steering_set_weight(struct segment *, uint32_t slot, const char *name, uint32_t in_script,
                         uint32_t weight);

/* --- and what it reads --- */

uint32_t steering_state(const struct segment *, uint32_t slot); /* enum backend_standing */
double steering_since(const struct segment *, uint32_t slot);   /* seconds */
uint32_t steering_weight(const struct segment *, uint32_t slot, uint32_t in_script);
double steering_effective_weight(const struct segment *, uint32_t slot, uint32_t in_script,
                                 double ramp_s);

#endif
