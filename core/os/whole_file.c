#include "os/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

static int path_fail(int error)
{
    errno = error;
    return -1;
}

static int folder_of(const char *path, char folder[PATH_BYTES])
{
    const char *end = strrchr(path, '/');
    size_t length = end == NULL ? 0 : (size_t)(end - path) + 1;

    if (length >= PATH_BYTES)
        return path_fail(ENAMETOOLONG);
    memcpy(folder, path, length);
    snprintf(folder + length, PATH_BYTES - length, ".");
    return 0;
}

/* --- writing --- */

static int write_all(int fd, struct slice bytes)
{
    while (bytes.length > 0) {
        ssize_t count = write(fd, bytes.start, bytes.length);

        if (count < 0 && errno != EINTR)
            return -1;
        if (count > 0)
            bytes = slice_from(bytes, (size_t)count);
    }
    return fsync(fd);
}

/* A crash of the machine may forget the name, which is no reason to say that nothing is there. */
static void keep_name(const char *path)
{
    char folder[PATH_BYTES];
    int fd = folder_of(path, folder) == 0 ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}

int whole_file_write(const char *path, struct slice bytes)
{
    char draft[PATH_BYTES];
    int fd, status, error;

    if (whole_file_check(path) != 0)
        return -1;
    if (snprintf(draft, sizeof draft, "%s.new", path) >= (int)sizeof draft)
        return path_fail(ENAMETOOLONG);
    unlink(draft); /* of one that was killed meanwhile */
    fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    status = write_all(fd, bytes);
    error = errno;
    if (close(fd) != 0 && status == 0) {
        status = -1;
        error = errno;
    }
    if (status == 0 && rename(draft, path) == 0) {
        keep_name(path);
        return 0;
    }
    error = status == 0 ? errno : error;
    unlink(draft);
    return path_fail(error);
}

int whole_file_check(const char *path)
{
    char folder[PATH_BYTES];
    struct stat is;

    if (path[0] == '\0')
        return path_fail(ENOENT);
    if (stat(path, &is) == 0 && S_ISDIR(is.st_mode))
        return path_fail(EISDIR);
    return folder_of(path, folder) == 0 ? access(folder, W_OK | X_OK) : -1;
}

/* --- reading --- */

static int read_all(int fd, size_t most, struct buffer *out)
{
    enum { PIECE = 65536 };
    ssize_t count;

    while ((count = read(fd, buffer_reserve(out, PIECE), PIECE)) != 0) {
        if (count < 0 && errno != EINTR)
            return -1;
        if (count > 0)
            buffer_grow(out, (size_t)count);
        if (buffer_length(out) > most)
            return path_fail(EFBIG);
    }
    return 0;
}

static int is_ours(int fd, size_t most)
{
    struct stat is;

    if (fstat(fd, &is) != 0)
        return -1;
    if (S_ISDIR(is.st_mode))
        return path_fail(EISDIR);
    if (!S_ISREG(is.st_mode))
        return path_fail(EINVAL);
    if (is.st_uid != geteuid())
        return path_fail(EPERM);
    return (uintmax_t)is.st_size <= most ? 0 : path_fail(EFBIG);
}

int whole_file_read(const char *path, size_t most, struct buffer *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK); /* no pipe's writer */
    int status, error;

    if (fd < 0)
        return -1;
    status = is_ours(fd, most) == 0 ? read_all(fd, most, out) : -1;
    error = errno;
    close(fd);
    return status == 0 ? 0 : path_fail(error);
}
