/*
 * discovery - the sources of one script, in the monitor: what each of them has found, as far as it
 * is believed, and the list that all make together.
 *
 *   source --publish--> guard --what holds--> all sources' lists --100 ms--> roster_want
 *
 * A source whose list the segment has, from a monitor before this one, begins with that. Where two
 * sources, or the script, have one name or one address, the first has it.
 */
#ifndef DISCOVER_DISCOVERY_H
#define DISCOVER_DISCOVERY_H

#include "discover/members.h"
#include "discover/source.h"

struct discovery;

/* Something was wanted of the roster; is_first_of_all, once: each source has said something now. */
typedef void discovery_wanted(void *owner, bool is_first_of_all);

/* Borrows all. NULL: the script has no sources. Never calls on_wanted inside this call. */
struct discovery *discovery_new(struct loop *, const struct membership *, struct segment *,
                                discovery_wanted *on_wanted, void *owner);
void discovery_free(struct discovery *); /* NULL is fine */

#endif
