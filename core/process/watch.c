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
    LOOK_MS = 1000,
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

static struct watch_stamp stamp_of(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return (struct watch_stamp){0};
    return (struct watch_stamp){status.st_dev, status.st_ino, (uint64_t)status.st_size,
                                status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

static bool is_same(struct watch_stamp a, struct watch_stamp b)
{
    return a.device == b.device && a.inode == b.inode && a.size == b.size &&
           a.seconds == b.seconds && a.nanoseconds == b.nanoseconds;
}

/* The folder that has the name now; nothing changes if it is watched already. */
static int watch_folder(const struct watch *w, int before, const char *path)
{
    int now = inotify_add_watch(w->fd, path, EVENTS);

    if (before >= 0 && now != before)
        inotify_rm_watch(w->fd, before);
    return now;
}

int watch_open(struct watch *w, const char *script_path)
{
    const char *slash = strrchr(script_path, '/');
    size_t length = slash != NULL ? (size_t)(slash - script_path) + 1 : 0;
    int error;

    *w = (struct watch){.modules = -1, .path = script_path, .file = script_path + length};
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->fd < 0)
        return -1;
    w->folder_path = length > 0 ? join(script_path, length, "") : join("./", 2, "");
    w->modules_path = join(w->folder_path, strlen(w->folder_path), "scripts");
    w->folder = inotify_add_watch(w->fd, w->folder_path, EVENTS);
    if (w->folder >= 0) {
        w->modules = inotify_add_watch(w->fd, w->modules_path, EVENTS);
        w->known = w->last = stamp_of(w->path);
        w->look_ms = clock_steady_ms() + LOOK_MS;
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
        else if (event->wd == w->folder)
            w->folder = -1;
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

static void watch_look(struct watch *w)
{
    struct watch_stamp now = stamp_of(w->path);

    w->look_ms = clock_steady_ms() + LOOK_MS;
    if (w->due_ms == 0 && now.inode != 0 && !is_same(now, w->known) && is_same(now, w->last)) {
        w->folder = watch_folder(w, w->folder, w->folder_path);
        w->modules = watch_folder(w, w->modules, w->modules_path);
        note_change(w);
    }
    w->last = now;
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
    if (clock_steady_ms() >= w->look_ms)
        watch_look(w);
}

uint64_t watch_next_ms(const struct watch *w)
{
    if (w->fd < 0)
        return UINT64_MAX;
    return w->due_ms != 0 && w->due_ms < w->look_ms ? w->due_ms : w->look_ms;
}

bool watch_has_change(struct watch *w)
{
    if (w->due_ms == 0 || clock_steady_ms() < w->due_ms)
        return false;
    w->due_ms = 0;
    w->known = w->last = stamp_of(w->path); /* before it is read */
    return true;
}
