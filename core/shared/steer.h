/*
 * steer - drains and weights that scripts and persons set.
 *
 * What a person has set stays until he takes it back, or a script says something else than it said
 * last: a timer that says the same again and again takes nothing back. Backends go by their slot.
 */
#ifndef SHARED_STEER_H
#define SHARED_STEER_H

#include "shared/segment.h"

/* A script says so. True: that is a change. */
bool steer_drain_by_script(struct segment *, unsigned slot, bool draining, uint64_t now_ms);
bool steer_weigh_by_script(struct segment *, unsigned slot, uint32_t in_script, uint32_t weight);
/* The source of a backend says so. */
bool steer_drain_by_list(struct segment *, unsigned slot, bool draining, uint64_t now_ms);
/* The same of a person. */
bool steer_drain(struct segment *, unsigned slot, bool draining, uint64_t now_ms);
bool steer_weigh(struct segment *, unsigned slot, uint32_t in_script, uint32_t weight);
/* The script's weight holds again. */
bool steer_take_weight_back(struct segment *, unsigned slot, uint32_t in_script);

bool steer_has_drained(const struct segment *, unsigned slot); /* has a person said so last? */
bool steer_has_weighed(const struct segment *, unsigned slot, uint32_t in_script);
void steer_clear(struct segment *, unsigned slot); /* it is another backend's from now on */

#endif
