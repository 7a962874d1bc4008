/*
 * watch - tells that a script was saved: it, or a module beside it or in scripts/
 * there.
 *
 * Folders are watched and not the file, as many editors write another file and
 * give it the name. What comes in one burst is one change. And once a second the
 * file itself is looked at, for what folders do not tell: that they, or one above
 * them, were replaced; a file behind a link; a file system that another machine
 * writes. Such a change counts when it has stood for a second.
 */
#ifndef PROCESS_WATCH_H
#define PROCESS_WATCH_H

#include "base/check.h"

#include <stdbool.h>
#include <stdint.h>

struct watch_stamp { /* of the file; all 0: it is not there */
    uint64_t device, inode, size;
    int64_t seconds, nanoseconds;
};

struct watch {
    int fd;              /* to wait for; -1: nothing is watched */
    int folder, modules; /* inotify's; modules may not be there (yet): -1 */
    char *folder_path, *modules_path;
    const char *path, *file;        /* the script's, and its own name in that */
    struct watch_stamp known, last; /* as it was told, and when it was last looked at */
    uint64_t look_ms;               /* when it is looked at again */
    uint64_t due_ms, began_ms;      /* the burst is over; when it began; 0: there is none */
};

/* Borrows the path. 0, or -1 and errno if the system refuses; then nothing is watched. */
int watch_open(struct watch *, const char *script_path) MUST_USE;
void watch_close(struct watch *); /* in any state */

void watch_read(struct watch *); /* whatever waits, if anything does */
uint64_t watch_next_ms(
    const struct watch *); /* when to ask again, unless fd is ready before; UINT64_MAX: never */
bool watch_has_change(struct watch *); /* one is over; told once */

#endif
