/*
 * state_lists - what sources of backends have found, in the file of --state: it serves at the next
 * start until the sources have spoken.
 *
 *   source   name, heard_us: since 1970, by the hour, so that it is not written again and again
 *   found    source, name, address, tags, weight, max_in_flight, priority, drains
 */
#ifndef PROCESS_STATE_LISTS_H
#define PROCESS_STATE_LISTS_H

#include "base/buffer.h"
#include "config/config.h"
#include "shared/segment.h"

void state_lists_write(const struct segment *, struct buffer *out);
/* Of sources that the script has still: wanted of the roster, before the monitor begins. */
void state_lists_read(struct segment *, const struct config *, struct slice records);

#endif
