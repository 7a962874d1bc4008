#include "discover/file.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "config/config.h"
#include "discover/allow.h"
#include "discover/schema.h"
#include "net/deadline.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_BYTES_MAX = 8 << 20,
    QUIET_MS = 10, /* from an event to a look: some come in a row */
    LOOK_MS = 1000,
    EVENTS = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_ONLYDIR,
};

struct file {
    struct source *source;
    struct loop *loop;
    char *path;
    uint64_t look; /* of the file that was read last; 0: it was not there */
    bool was_read;
    bool is_due; /* something has happened in its folder */
    struct deadline again;
    uv_poll_t events;
    int fd; /* -1: it is only looked at */
};

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
    return hash_mix(hash_add(hash, BYTES_OF(status.st_mtim))) | 1;
}

static void file_fail(struct file *f, const char *why)
{
    struct buffer words = {0};

    buffer_printf(&words, "%s: %s", f->path, why);
    source_failed(f->source, buffer_text(&words));
    buffer_dispose(&words);
}

static void file_read_list(struct file *f)
{
    struct buffer text = {0}, wrong = {0};
    struct found_list list;
    int error = file_read(f->path, FILE_BYTES_MAX, &text);

    found_init(&list);
    if (error != 0)
        file_fail(f, strerror(error));
    else if (!schema_read(&list, buffer_slice(&text), &wrong))
        file_fail(f, buffer_text(&wrong));
    else
        source_publish(f->source, &list);
    found_dispose(&list);
    buffer_dispose(&text);
    buffer_dispose(&wrong);
}

static void on_again(struct deadline *d)
{
    struct file *f = list_entry(d, struct file, again);
    uint64_t look = look_of(f->path);

    f->is_due = false;
    deadline_set(f->loop, &f->again, LOOK_MS);
    if (f->was_read && look == f->look)
        return;
    f->was_read = true;
    f->look = look;
    file_read_list(f);
}

static void on_events(uv_poll_t *handle, int status, int events)
{
    struct file *f = handle->data;
    char room[4096];

    (void)status;
    (void)events;
    loop_note_event(f->loop);
    while (read(f->fd, room, sizeof room) > 0)
        ;
    if (!f->is_due) /* a folder where something happens all the time puts nothing off */
        deadline_set(f->loop, &f->again, QUIET_MS);
    f->is_due = true;
}

/* Beside the script. */
static char *path_of(struct slice name, const struct config *config)
{
    const char *slash = strrchr(config->script_path, '/');
    size_t folder =
        name.start[0] == '/' || slash == NULL ? 0 : (size_t)(slash - config->script_path) + 1;
    char *path = mem_alloc(folder + name.length + 1);

    memcpy(path, config->script_path, folder);
    memcpy(path + folder, name.start, name.length);
    path[folder + name.length] = '\0';
    return path;
}

static void watch_folder(struct file *f)
{
    char *slash = strrchr(f->path, '/');

    f->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (f->fd < 0)
        return;
    if (slash != NULL)
        *slash = '\0';
    (void)inotify_add_watch(f->fd, slash == NULL ? "." : slash == f->path ? "/" : f->path, EVENTS);
    if (slash != NULL)
        *slash = '/';
    CHECK(uv_poll_init(&f->loop->uv, &f->events, f->fd) == 0);
    f->events.data = f;
    CHECK(uv_poll_start(&f->events, UV_READABLE, on_events) == 0);
}

static void *open_file(struct source *source, struct slice text, struct loop *loop,
                       const struct config *config)
{
    struct file *f = mem_zalloc(sizeof *f);

    f->source = source;
    f->loop = loop;
    f->path = path_of(text, config);
    deadline_init(&f->again, on_again);
    deadline_set(loop, &f->again, 0);
    watch_folder(f);
    return f;
}

static void on_closed(uv_handle_t *handle)
{
    struct file *f = handle->data;

    close(f->fd);
    mem_free(f->path);
    mem_free(f);
}

static void close_file(void *own)
{
    struct file *f = own;

    deadline_clear(&f->again);
    if (f->fd >= 0) {
        uv_close((uv_handle_t *)&f->events, on_closed);
        return;
    }
    mem_free(f->path);
    mem_free(f);
}

const struct source_kind file_kind = {
    .prefix = "file:", .tells_changes = true, .open = open_file, .close = close_file};

static bool check_one(const struct config *config, struct slice name, struct buffer *wrong)
{
    struct buffer text = {0}, words = {0};
    char *path = path_of(name, config);
    struct found_list list;
    int error = file_read(path, FILE_BYTES_MAX, &text);
    bool is_good;

    found_init(&list);
    if (error != 0 && error != ENOENT)
        buffer_append_text(&words, strerror(error));
    is_good = error == ENOENT || (error == 0 && schema_read(&list, buffer_slice(&text), &words) &&
                                  allow_check(config, &list, &words));
    if (!is_good)
        buffer_printf(wrong, "%s: %s", path, buffer_text(&words));
    found_dispose(&list);
    buffer_dispose(&text);
    buffer_dispose(&words);
    mem_free(path);
    return is_good;
}

bool file_check(const struct config *config, struct buffer *wrong)
{
    for (unsigned i = 0; i < config->sources_count; i++) {
        struct slice text = slice_of(config->sources[i].text);

        if (slice_begins(text, SLICE("file:")) &&
            !check_one(config, slice_from(text, strlen("file:")), wrong))
            return false;
    }
    return true;
}
