#include "process/watch.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    QUIET_MS = 50,  /* after which a burst is over, */
    BURST_MS = 500, /* or after so long, however much comes */
    EVENTS = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR,
};

static char *join(const char *folder, size_t length, const char *name)
{
    size_t name_length = strlen(name);
    char *path = mem_alloc(length + name_length + 1);

    memcpy(path, folder, length);
    memcpy(path + length, name, name_length + 1);
    return path;
}

int watch_open(struct watch *w, const char *script_path)
{
    const char *slash = strrchr(script_path, '/');
    size_t length = slash != NULL ? (size_t)(slash - script_path) + 1 : 0;
    int error;

    *w = (struct watch){.modules = -1, .file = script_path + length};
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->fd < 0)
        return -1;
    w->folder_path = length > 0 ? join(script_path, length, "") : join("./", 2, "");
    w->modules_path = join(w->folder_path, strlen(w->folder_path), "scripts");
    w->folder = inotify_add_watch(w->fd, w->folder_path, EVENTS);
    if (w->folder >= 0) {
        w->modules = inotify_add_watch(w->fd, w->modules_path, EVENTS);
        return 0;
    }
    error = errno;
    watch_close(w);
    errno = error;
    return -1;
}

void watch_close(struct watch *w)
{
    if (w->fd >= 0)
        close(w->fd);
    mem_free(w->folder_path);
    mem_free(w->modules_path);
    *w = (struct watch){.fd = -1, .folder = -1, .modules = -1};
}

/* A new file is looked at when it has been written; a link is whole at once. */
static bool is_link(const struct watch *w, const struct inotify_event *event)
{
    const char *folder = event->wd == w->modules ? w->modules_path : w->folder_path;
    char path[PATH_MAX];
    struct stat status;

    if (strlen(folder) + 1 + strlen(event->name) >= sizeof path)
        return false;
    strcpy(path, folder);
    strcat(path, "/");
    strcat(path, event->name);
    return lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
}

static bool has_end(const char *name, const char *end)
{
    size_t length = strlen(name), end_length = strlen(end);

    return length >= end_length && strcmp(name + length - end_length, end) == 0;
}

/* Of volumes of Kubernetes a link "..data" changes, and the files are behind that. */
static bool is_ours(const struct watch *w, const char *name)
{
    return strcmp(name, w->file) == 0 || strcmp(name, "..data") == 0 ||
           (has_end(name, ".lua") && name[0] != '.');
}

static void note_change(struct watch *w)
{
    uint64_t now_ms = clock_steady_ms();

    if (w->due_ms == 0)
        w->began_ms = now_ms;
    w->due_ms = now_ms + QUIET_MS;
    if (w->due_ms > w->began_ms + BURST_MS)
        w->due_ms = w->began_ms + BURST_MS;
}

static void take_event(struct watch *w, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW) {
        note_change(w);
        return;
    }
    if (event->mask & IN_IGNORED) { /* that folder is gone */
        if (event->wd == w->modules)
            w->modules = -1;
        return;
    }
    if (event->len == 0)
        return;
    if (event->wd == w->folder && w->modules < 0 && strcmp(event->name, "scripts") == 0) {
        w->modules = inotify_add_watch(w->fd, w->modules_path, EVENTS);
        note_change(w);
    } else if (is_ours(w, event->name) && (!(event->mask & IN_CREATE) || is_link(w, event))) {
        note_change(w);
    }
}

void watch_read(struct watch *w)
{
    _Alignas(struct inotify_event) char room[8192];
    ssize_t got;

    if (w->fd < 0)
        return;
    while ((got = read(w->fd, room, sizeof room)) > 0)
        for (char *at = room; at < room + got;) {
            const struct inotify_event *event = (const void *)at;

            take_event(w, event);
            at += sizeof *event + event->len;
        }
}

uint64_t watch_next_ms(const struct watch *w)
{
    return w->due_ms != 0 ? w->due_ms : UINT64_MAX;
}

bool watch_has_change(struct watch *w)
{
    if (w->due_ms == 0 || clock_steady_ms() < w->due_ms)
        return false;
    w->due_ms = 0;
    return true;
}
