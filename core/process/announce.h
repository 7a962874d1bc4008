/*
 * announce - the supervisor's lines in the log: of the start, children that stand still, watching,
 * and log files.
 */
#ifndef PROCESS_ANNOUNCE_H
#define PROCESS_ANNOUNCE_H

#include "config/config.h"
#include "os/children.h"
#include "os/sockets.h"

#include <stdbool.h>

void announce_start(const struct config *, bool is_watched);
void announce_listening(const struct sockets *, unsigned address);
void announce_beside(const struct sockets *); /* if another lb listens there */
void announce_missing(unsigned missing, unsigned workers, unsigned after_ms);
/* It is killed now. */
void announce_hung(const struct child *, const char *event, uint64_t still_ms, bool is_replaced);
void announce_watch(const char *script, int status); /* watch_open's, and errno */
bool announce_reopened(void); /* opens the logs again; true if any file was */

#endif
