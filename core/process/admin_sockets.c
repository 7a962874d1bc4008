#include "process/admin_sockets.h"

#include "base/log.h"
#include "config/admin.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 128, OTHERS_MASK = 0117 };

/* --- the file of a unix socket --- */

static int open_unix(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* Is it a socket on which nobody listens? 0: it is, or nothing is there. */
static int check_stale(const struct sockaddr_un *path, pid_t beside)
{
    struct stat file;
    int fd, status;

    if (lstat(path->sun_path, &file) != 0)
        return errno == ENOENT ? 0 : -1;
    errno = ENOTSOCK;
    if (!S_ISSOCK(file.st_mode) || (fd = open_unix()) < 0)
        return -1;
    status = connect(fd, (const struct sockaddr *)path, sizeof *path);
    if (status == 0 || errno == EAGAIN)
        status = beside != 0 ? 0 : EADDRINUSE; /* it is that lb's, as both have the same settings */
    else
        status = errno == ECONNREFUSED || errno == ENOENT ? 0 : errno;
    close(fd);
    errno = status;
    return status == 0 ? 0 : -1;
}

static int bind_unix(int fd, const struct sockaddr_un *path, pid_t beside)
{
    mode_t mask;
    int status;

    if (check_stale(path, beside) != 0)
        return -1;
    (void)unlink(path->sun_path);
    mask = umask(OTHERS_MASK);
    status = bind(fd, (const struct sockaddr *)path, sizeof *path);
    umask(mask);
    return status;
}

static void note_file(struct admin_socket *s)
{
    struct stat file;

    if (s->address.kind != ADDRESS_UNIX || lstat(s->address.host, &file) != 0)
        return;
    s->device = file.st_dev;
    s->inode = file.st_ino;
}

/* Not that of another lb, which has taken the path over. */
static void remove_file(const struct admin_socket *s)
{
    struct stat file;

    if (s->address.kind == ADDRESS_UNIX && lstat(s->address.host, &file) == 0 &&
        file.st_dev == s->device && file.st_ino == s->inode)
        (void)unlink(s->address.host);
}

/* --- one --- */

static int bind_ip(int fd, const struct sockaddr *to)
{
    int on = 1;

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        return -1;
    return bind(fd, to, address_length(to));
}

static int open_one(struct admin_socket *s, pid_t beside)
{
    const struct sockaddr *to = &s->address.socket.any;
    int error;

    s->fd = s->address.kind == ADDRESS_UNIX
                ? open_unix()
                : socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd < 0)
        return -1;
    if ((s->address.kind == ADDRESS_UNIX ? bind_unix(s->fd, &s->address.socket.path, beside)
                                         : bind_ip(s->fd, to)) == 0) {
        note_file(s);
        if (listen(s->fd, BACKLOG) == 0)
            return 0;
    }
    error = errno;
    close(s->fd);
    remove_file(s);
    errno = error;
    return -1;
}

/* --- all --- */

static bool is_in(const struct config_admin *config, const struct address *address)
{
    for (unsigned i = 0; i < config->listen_count; i++)
        if (memcmp(&config->listen[i], address, sizeof *address) == 0)
            return true;
    return false;
}

static int find(const struct admin_sockets *s, const struct address *address)
{
    for (unsigned i = 0; i < s->count; i++)
        if (memcmp(&s->list[i].address, address, sizeof *address) == 0)
            return s->list[i].fd;
    return -1;
}

static void close_from(struct admin_sockets *s, unsigned first)
{
    while (s->count > first) {
        s->count--;
        close(s->list[s->count].fd);
        remove_file(&s->list[s->count]);
    }
}

int admin_sockets_open(struct admin_sockets *s, const struct config_admin *config,
                       struct buffer *error)
{
    unsigned before = s->count;

    for (unsigned i = 0; i < config->listen_count; i++) {
        struct admin_socket one = {.address = config->listen[i]};
        const char *why;

        if (find(s, &config->listen[i]) >= 0)
            continue;
        if (open_one(&one, s->beside) == 0) {
            s->list[s->count++] = one;
            continue;
        }
        why = errno == ENOTSOCK     ? "another file is there, which is no socket"
              : errno == EADDRINUSE ? "another program listens there"
                                    : strerror(errno);
        buffer_append_text(error, "admin: cannot listen on ");
        admin_format_listen(&config->listen[i], error);
        buffer_printf(error, ": %c%s", ascii_lower(why[0]), why + 1);
        close_from(s, before);
        return -1;
    }
    return 0;
}

/* --- from one program to the next --- */

static void put_written(struct buffer *out, const struct admin_socket *s)
{
    struct buffer written = {0};

    admin_format_listen(&s->address, &written);
    records_add(out, "written", buffer_slice(&written));
    buffer_dispose(&written);
}

void admin_sockets_write(const struct admin_sockets *s, struct buffer *out)
{
    for (unsigned i = 0; i < s->count; i++) {
        size_t begun = records_begin(out, "admin");

        put_written(out, &s->list[i]);
        records_add_number(out, "fd", (uint64_t)s->list[i].fd);
        records_add_number(out, "device", s->list[i].device);
        records_add_number(out, "inode", s->list[i].inode);
        records_end(out, begun);
    }
}

/* The address of the setting that was written so. */
static const struct address *find_written(const struct config_admin *config, struct slice written)
{
    struct buffer text = {0};
    const struct address *found = NULL;

    for (unsigned i = 0; found == NULL && i < config->listen_count; i++) {
        buffer_clear(&text);
        admin_format_listen(&config->listen[i], &text);
        if (slice_is(buffer_slice(&text), written))
            found = &config->listen[i];
    }
    buffer_dispose(&text);
    return found;
}

void admin_sockets_take(struct admin_sockets *s, const struct config_admin *config,
                        struct slice text)
{
    struct record r;

    while (records_next(&text, &r)) {
        struct slice written = record_bytes(&r, "written");
        const struct address *known = find_written(config, written);
        struct admin_socket one = {.fd = (int)record_number(&r, "fd", (uint64_t)-1),
                                   .device = record_number(&r, "device", 0),
                                   .inode = record_number(&r, "inode", 0)};

        if (!record_is(&r, "admin") || one.fd < 0)
            continue;
        if (known != NULL && s->count < CONFIG_ADMIN_LISTEN_MAX) {
            one.address = *known;
            s->list[s->count++] = one;
            continue;
        }
        close(one.fd);
        if (address_parse(&one.address, written, true) == NULL)
            remove_file(&one);
    }
}

void admin_sockets_keep(struct admin_sockets *s, const struct config_admin *config)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < s->count; i++) {
        if (is_in(config, &s->list[i].address)) {
            s->list[kept++] = s->list[i];
            continue;
        }
        close(s->list[i].fd);
        remove_file(&s->list[i]);
    }
    s->count = kept;
}

static bool is_gone(const struct admin_socket *s)
{
    struct stat file;

    return s->address.kind == ADDRESS_UNIX && lstat(s->address.host, &file) != 0 && errno == ENOENT;
}

bool admin_sockets_restore(struct admin_sockets *s)
{
    bool restored = false;

    for (unsigned i = 0; i < s->count; i++) {
        struct admin_socket again = {.address = s->list[i].address};

        if (!is_gone(&s->list[i]) || open_one(&again, 0) != 0)
            continue;
        close(s->list[i].fd);
        s->list[i] = again;
        restored = true;
    }
    return restored;
}

void admin_sockets_find(const struct admin_sockets *s, const struct config_admin *config,
                        int out[CONFIG_ADMIN_LISTEN_MAX])
{
    for (unsigned i = 0; i < config->listen_count; i++)
        out[i] = find(s, &config->listen[i]);
}

void admin_sockets_close(struct admin_sockets *s)
{
    for (unsigned i = 0; i < s->count; i++)
        close(s->list[i].fd);
    s->count = 0;
}

/* With the port that 0 has become. */
static void append_name(struct buffer *text, const struct admin_socket *s)
{
    struct sockaddr_in6 name;
    socklen_t length = sizeof name;

    if (s->address.kind == ADDRESS_UNIX)
        buffer_printf(text, "unix:%s", s->address.host);
    else if (getsockname(s->fd, (struct sockaddr *)&name, &length) == 0)
        address_format(text, (struct sockaddr *)&name);
}

void admin_sockets_announce(const struct admin_sockets *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        struct buffer text = {0};

        append_name(&text, &s->list[i]);
        log_event(LOG_INFO, "admin_listening", LOG_PAIRS({"address", buffer_text(&text)}),
                  "the admin listener is on %s", buffer_text(&text));
        buffer_dispose(&text);
    }
}
