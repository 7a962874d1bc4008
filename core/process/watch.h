/*
 * watch - tells that a script was saved: it, or a module beside it or in scripts/
 * there.
 *
 * Folders are watched and not the file, as many editors write another file and
 * give it the name. What comes in one burst is one change.
 */
#ifndef PROCESS_WATCH_H
#define PROCESS_WATCH_H

#include "base/check.h"

#include <stdbool.h>
#include <stdint.h>

struct watch {
    int fd;              /* to wait for; -1: nothing is watched */
    int folder, modules; /* inotify's; modules may not be there (yet): -1 */
    char *folder_path, *modules_path;
    const char *file;          /* the script's own name, in its path */
    uint64_t due_ms, began_ms; /* the burst is over; when it began; 0: there is none */
};

/* Borrows the path. 0, or -1 and errno if the system refuses; then nothing is watched. */
int watch_open(struct watch *, const char *script_path) MUST_USE;
void watch_close(struct watch *); /* in any state */

void watch_read(struct watch *);              /* whatever waits, if anything does */
uint64_t watch_next_ms(const struct watch *); /* when to ask again; UINT64_MAX: when fd is ready */
bool watch_has_change(struct watch *);        /* one is over; told once */

#endif
