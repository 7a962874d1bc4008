/*
 * spares - all addresses of a backend's name, for when a connect to the one in use fails.
 *
 * One writer (the monitor); workers read it only after such a failure.
 */
#ifndef SHARED_SPARES_H
#define SHARED_SPARES_H

#include "shared/segment.h"

#include <netinet/in.h>

/* Keeps SEGMENT_SPARES_MAX at most, in the order given. */
void spares_publish(struct segment *, unsigned backend, const struct sockaddr_in6 *,
                    unsigned count);
/* How many there are now, the one in use among them; 0 also while they are being written. Of out
 * only so many count. */
unsigned spares_read(const struct segment *, unsigned backend,
                     struct sockaddr_in6 out[SEGMENT_SPARES_MAX]);
/* True, once: somebody shall say that there are several. */
bool spares_claim_telling(struct segment *, unsigned backend);
void spares_clear(struct segment *, unsigned backend);

#endif
