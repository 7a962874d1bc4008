/*
 * others - where else a backend's name leads, for an attempt whose connect has failed.
 *
 * A name may lead to several machines: the next one serves at once, whatever the monitor finds. Of
 * addresses that say nothing one more is tried, as each takes timeouts.connect.
 */
#ifndef PROXY_OTHERS_H
#define PROXY_OTHERS_H

#include "base/arena.h"
#include "upstream/backend.h"

struct others; /* NULL: no connect of this attempt has failed yet */

/* The next address, which lives as long as the arena, or NULL. */
const struct sockaddr *others_next(struct others **, const struct backend *, struct arena *,
                                   const struct sockaddr *failed, bool was_silent);
/* The connect to the last one has succeeded. */
void others_note_success(const struct others *, struct backend *);

#endif
