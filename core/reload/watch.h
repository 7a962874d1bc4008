/*
 * watch - tells that a script was saved: it, a module that it has required, or a file of Lua beside
 * it or in scripts/ there.
 *
 * Folders are watched and not the file, as many editors write another file and give it the name.
 * What comes in one burst is one change. And once a second the files themselves are looked at, for
 * what folders do not tell: that they, or one above them, were replaced; files behind a link, files
 * that are mounted, a file system that another machine writes; and all, where inotify is used up.
 * Such a change counts when it has stood for a second.
 */
#ifndef RELOAD_WATCH_H
#define RELOAD_WATCH_H

#include "base/check.h"
#include "reload/edition.h"

#include <stdbool.h>
#include <stdint.h>

struct watch {
    int fd;              /* to wait for; -1: there are no events */
    bool is_open;        /* files are looked at */
    int folder, modules; /* inotify's; modules may not be there (yet): -1 */
    char *folder_path, *modules_path;
    const char *path, *file;   /* the script's, and its own name in that */
    struct bundle required;    /* the modules of the edition that runs */
    uint64_t edition;          /* its number */
    uint64_t known, last;      /* what all looked like when a change was told, and a second ago */
    uint64_t look_ms;          /* when it is looked at again */
    uint64_t due_ms, began_ms; /* the burst is over; when it began; 0: there is none */
};

/* Borrows the path. 0, or -1 and errno if there will be no events: the files are looked at all the
 * same. */
int watch_open(struct watch *, const char *script_path) MUST_USE;
void watch_close(struct watch *); /* in any state */

/* Often: which modules count is what the current edition has required. */
void watch_follow(struct watch *, const struct edition *, const struct config *first);
void watch_read(struct watch *); /* whatever waits, if anything does */
/* When to ask again, unless fd is ready before; UINT64_MAX: never. */
uint64_t watch_next_ms(const struct watch *);
bool watch_has_change(struct watch *); /* one is over; told once */

#endif
