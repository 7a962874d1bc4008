#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE_BYTES = 65536 };

const char *file_objection_to(struct slice path)
{
    if (path.length == 0 || path.length >= PATH_MAX)
        return "expected the path of a file";
    if (memchr(path.start, '\0', path.length) != NULL)
        return "a path has no NUL byte in it";
    if (path.start[0] == '~')
        return "only a shell knows what '~' is: write the whole path";
    return NULL;
}

static int read_all(int file, size_t most, struct buffer *out)
{
    size_t before = buffer_length(out);
    ssize_t got;

    do {
        got = read(file, buffer_reserve(out, PIECE_BYTES), PIECE_BYTES);
        if (got > 0)
            buffer_grow(out, (size_t)got);
        if (buffer_length(out) - before > most)
            return EFBIG;
    } while (got > 0 || (got < 0 && errno == EINTR));
    return got < 0 ? errno : 0;
}

/* What is no file has no end, or none that comes soon. */
static int check_kind(int file, unsigned *mode)
{
    struct stat status;

    if (fstat(file, &status) != 0)
        return errno;
    *mode = status.st_mode;
    if (S_ISDIR(status.st_mode))
        return EISDIR;
    return S_ISREG(status.st_mode) ? 0 : ENOTSUP;
}

int file_open(const char *path, int *file, unsigned *mode)
{
    int error;

    *file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would wait for a writer */
    if (*file < 0)
        return errno;
    error = check_kind(*file, mode);
    if (error != 0)
        close(*file);
    return error;
}

int file_read(const char *path, size_t most, struct buffer *out)
{
    unsigned mode;
    int file, error = file_open(path, &file, &mode);

    if (error != 0)
        return error;
    error = read_all(file, most, out);
    close(file);
    return error;
}
