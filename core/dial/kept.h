/*
 * kept - connections of lb.http that rest between two requests.
 *
 * A connection rests for KEPT_IDLE_MS at most: most servers keep it longer. It is used again until
 * it is KEPT_AGE_MS old, so that a name that leads elsewhere by then is looked up again. Kept
 * connections count as links, and make room for others (dial/link.h), the longest rested first.
 */
#ifndef DIAL_KEPT_H
#define DIAL_KEPT_H

#include "dial/link.h"
#include "net/address.h"

enum { KEPT_IDLE_MS = 4000, KEPT_AGE_MS = 60000 };

/* One to that address, secured that way (or not: NULL), that has rested for no longer, and on which
 * neither a byte nor an end has come; its events are to be set. NULL: there is none. */
struct link *kept_take(const struct address *to, const struct secured *, uint64_t rested_ms_max);
/* Takes the link, on which all of an answer has come and nothing else, and is read. */
void kept_put(struct link *, const struct address *to);
bool kept_is_there(void);
bool kept_give_up(void); /* one closes; false: there is none */
void kept_close_all(void);

#endif
