#include "reload/watch.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "config/certificates.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    QUIET_MS = 50,  /* after which a burst is over, */
    BURST_MS = 500, /* or after so long, however much comes */
    LOOK_MS = 1000,
    ENTRIES_MAX = 10000, /* of a folder that are looked through */
    EVENTS = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR,
};

/* --- what the files look like --- */

static bool is_module(const char *name)
{
    size_t length = strlen(name);

    return length > 4 && strcmp(name + length - 4, ".lua") == 0 && name[0] != '.';
}

#define BYTES_OF(thing) ((struct slice){(const char *)&(thing), sizeof(thing)})

/* Another number if the file has changed; 0: it is not there. */
static uint64_t look_of(const char *path)
{
    struct stat status;
    uint64_t hash;

    if (stat(path, &status) != 0)
        return 0;
    hash = hash_add(HASH_START, BYTES_OF(status.st_dev));
    hash = hash_add(hash, BYTES_OF(status.st_ino));
    hash = hash_add(hash, BYTES_OF(status.st_size));
    hash = hash_add(hash, BYTES_OF(status.st_mtim));
    hash = hash_mix(hash_add(hash, slice_of(path)));
    return hash != 0 ? hash : 1;
}

/* A sum, as a folder has no order. */
static uint64_t look_of_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    char path[PATH_MAX];
    const struct dirent *entry;
    uint64_t sum = 0;

    if (dir == NULL)
        return 0;
    for (unsigned i = 0; i < ENTRIES_MAX && (entry = readdir(dir)) != NULL; i++)
        if (is_module(entry->d_name) &&
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < (int)sizeof path)
            sum += look_of(path);
    closedir(dir);
    return sum;
}

static uint64_t look_of_pattern(const char *pattern)
{
    uint64_t sum = 0;
    glob_t found;

    if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
        return 0;
    for (size_t i = 0; i < found.gl_pathc; i++)
        sum += look_of(found.gl_pathv[i]);
    globfree(&found);
    return sum;
}

/* The files of one pattern stand one behind the other. */
static uint64_t look_of_certificates(struct slice files)
{
    struct certificate certificate;
    const char *pattern = "";
    uint64_t sum = 0;

    while (certificates_next(&files, &certificate)) {
        if (certificate.pattern[0] == '\0')
            sum += look_of(certificate.cert) + look_of(certificate.key);
        else if (strcmp(certificate.pattern, pattern) != 0)
            sum += look_of_pattern(certificate.pattern);
        pattern = certificate.pattern;
    }
    return sum;
}

static uint64_t look_of_authorities(struct slice files)
{
    struct client_files client;
    struct slice rest = files;
    struct remote_ca ca;
    uint64_t sum = 0;

    while (certificates_next_ca(&files, &ca))
        sum += look_of(ca.path);
    while (certificates_next_client(&rest, &client))
        sum += look_of(client.ca_path) + (client.crl_path != NULL ? look_of(client.crl_path) : 0);
    return sum;
}

static uint64_t look_of_tickets(struct slice files)
{
    struct ticket_file tickets;

    return certificates_find_tickets(files, &tickets) ? look_of(tickets.path) : 0;
}

static uint64_t look_of_required(const struct watch *w)
{
    uint64_t sum = look_of_certificates(w->certificates) + look_of_authorities(w->certificates) +
                   look_of_tickets(w->certificates);

    for (unsigned i = 0; i < w->required.count; i++)
        if (w->required.modules[i].is_file)
            sum += look_of(w->required.modules[i].path);
    return sum;
}

/* Of all files that count; 0 as long as the script is not there. */
static uint64_t look_of_all(const struct watch *w)
{
    uint64_t sum = look_of(w->path);

    if (sum == 0)
        return 0;
    sum += look_of_folder(w->folder_path) + look_of_folder(w->modules_path) + look_of_required(w);
    return sum != 0 ? sum : 1;
}

/* --- open and close --- */

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
    size_t length = slash != NULL ? (size_t)(slash - script_path) + 1 : 0, bytes;
    int error;

    *w = (struct watch){.folder = -1, .modules = -1, .is_open = true, .path = script_path};
    w->file = script_path + length;
    w->folder_path = length > 0 ? mem_copy(script_path, length) : mem_copy_text("./");
    bytes = strlen(w->folder_path) + sizeof "scripts";
    w->modules_path = mem_alloc(bytes);
    snprintf(w->modules_path, bytes, "%sscripts", w->folder_path);
    w->known = w->last = look_of_all(w);
    w->look_ms = clock_steady_ms() + LOOK_MS;
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->fd < 0)
        return -1;
    w->folder = inotify_add_watch(w->fd, w->folder_path, EVENTS);
    if (w->folder >= 0) {
        w->modules = inotify_add_watch(w->fd, w->modules_path, EVENTS);
        return 0;
    }
    error = errno;
    close(w->fd);
    w->fd = -1;
    errno = error;
    return -1;
}

void watch_close(struct watch *w)
{
    if (w->fd >= 0)
        close(w->fd);
    bundle_dispose(&w->required);
    mem_free(w->folder_path);
    mem_free(w->modules_path);
    *w = (struct watch){.fd = -1, .folder = -1, .modules = -1};
}

static void copy_names(struct bundle *to, const struct bundle *from)
{
    for (unsigned i = 0; i < from->count; i++)
        bundle_add(to, slice_of(from->modules[i].name), from->modules[i].path,
                   from->modules[i].is_file, SLICE(""));
}

static void require(struct watch *w, const struct edition_text *text, const struct config *first)
{
    struct bundle modules = {0};

    bundle_dispose(&w->required);
    w->certificates = vault_slice(&text->certificates);
    if (text->is_first) {
        copy_names(&w->required, &first->modules);
    } else {
        CHECK(bundle_read(&modules, edition_modules(text)));
        copy_names(&w->required, &modules);
        bundle_dispose(&modules);
    }
}

/* What was saved since the files were looked at last stays a change. */
void watch_follow(struct watch *w, const struct edition *edition, const struct config *first)
{
    uint64_t number = atomic_load(&edition->current), before;

    if (!w->is_open || number == w->edition)
        return;
    w->edition = number;
    before = look_of_required(w);
    require(w, edition_current(edition), first);
    w->known += look_of_required(w) - before;
    w->last += look_of_required(w) - before;
}

/* --- events --- */

/* A new file is looked at when it has been written; a link is whole at once. */
static bool is_link(const struct watch *w, const struct inotify_event *event)
{
    const char *folder = event->wd == w->modules ? w->modules_path : w->folder_path;
    char path[PATH_MAX];
    struct stat status;

    return snprintf(path, sizeof path, "%s/%s", folder, event->name) < (int)sizeof path &&
           lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
}

/* In a volume of Kubernetes the link "..data" changes, and the files are behind it. */
static bool is_watched(const struct watch *w, const char *name)
{
    return strcmp(name, w->file) == 0 || strcmp(name, "..data") == 0 || is_module(name);
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
    } else if (is_watched(w, event->name) && (!(event->mask & IN_CREATE) || is_link(w, event))) {
        note_change(w);
    }
}

/* --- looking --- */

static void watch_look(struct watch *w)
{
    uint64_t now = look_of_all(w);

    w->look_ms = clock_steady_ms() + LOOK_MS;
    if (w->due_ms == 0 && now != 0 && now != w->known && now == w->last) {
        if (w->fd >= 0) {
            w->folder = watch_folder(w, w->folder, w->folder_path);
            w->modules = watch_folder(w, w->modules, w->modules_path);
        }
        note_change(w);
    }
    w->last = now;
}

void watch_read(struct watch *w)
{
    _Alignas(struct inotify_event) char room[8192];
    ssize_t got;

    if (!w->is_open)
        return;
    while (w->fd >= 0 && (got = read(w->fd, room, sizeof room)) > 0)
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
    if (!w->is_open)
        return UINT64_MAX;
    return w->due_ms != 0 && w->due_ms < w->look_ms ? w->due_ms : w->look_ms;
}

bool watch_has_change(struct watch *w)
{
    if (w->due_ms == 0 || clock_steady_ms() < w->due_ms)
        return false;
    w->due_ms = 0;
    w->known = w->last = look_of_all(w); /* before it is read */
    return true;
}
