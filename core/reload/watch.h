/*
 * watch - notices that a script was saved: the script, a module that it has required, or a Lua file
 * in its folder or in scripts/ there.
 *
 * It watches folders, not the file, as many editors write another file and give it the name.
 * Events that follow each other closely are one change. Besides, it looks at the files once a
 * second, for what events of folders do not show: a folder that was replaced; files behind a link,
 * mounted files, a file system that another machine writes; and everything, where inotify is used
 * up. Such a change counts when it has stood for a second. Files of certificates are looked at only
 * so: theirs, and those that the patterns of the setting lead to.
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
    int folder, modules; /* inotify's; -1: it is not there (yet) */
    char *folder_path, *modules_path;
    const char *path, *file;   /* the script's, and its name in the folder */
    struct bundle required;    /* the modules of the edition that runs, */
    struct slice certificates; /* and its certificates, in the edition */
    uint64_t edition;          /* its number */
    uint64_t known, last;      /* how all looked at the last change, and a second ago */
    uint64_t look_ms;          /* when it looks again */
    uint64_t due_ms, began_ms; /* when the burst of events is over, and began; 0: there is none */
};

/* Borrows the path. 0, or -1 and errno if there are no events: the files are looked at all the
 * same. */
int watch_open(struct watch *, const char *script_path) MUST_USE;
void watch_close(struct watch *); /* in any state */

/* Often: the modules that count are those that the current edition has required. */
void watch_follow(struct watch *, const struct edition *, const struct config *first);
void watch_read(struct watch *); /* reads the events that wait, without waiting */
/* When to ask again, unless fd is ready before; UINT64_MAX: never. */
uint64_t watch_next_ms(const struct watch *);
bool watch_has_change(struct watch *); /* true once for each change */

#endif
