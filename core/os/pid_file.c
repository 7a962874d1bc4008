#include "os/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_directory(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* For all to read, as far as the umask lets them, and not for us alone as mkostemp has it. */
static int write_pid(int fd)
{
    mode_t mask = umask(0);
    int status;

    umask(mask);
    status = fchmod(fd, 0666 & ~mask) == 0 && dprintf(fd, "%d\n", (int)getpid()) > 0 ? 0 : -1;
    return close(fd) == 0 ? status : -1;
}

int pid_file_open(struct pid_file *p, const char *path)
{
    int fd;

    *p = (struct pid_file){.path = path};
    if (path == NULL)
        return 0;
    if (is_directory(path)) {
        errno = EISDIR;
        return -1;
    }
    if (snprintf(p->draft, sizeof p->draft, "%s.XXXXXX", path) >= (int)sizeof p->draft) {
        errno = ENAMETOOLONG;
        return -1;
    }
    /* A new file whose name nobody can guess: in a folder where others may write, a link of that
     * name would lead us to another file. */
    fd = mkostemp(p->draft, O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (write_pid(fd) == 0)
        return 0;
    unlink(p->draft);
    return -1;
}

int pid_file_publish(struct pid_file *p)
{
    p->is_there = p->path != NULL && rename(p->draft, p->path) == 0;
    return p->is_there || p->path == NULL ? 0 : -1;
}

static bool is_of_this_process(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK); /* nor a pipe's reader */
    char text[16] = "";
    ssize_t length;

    if (fd < 0)
        return false;
    length = read(fd, text, sizeof text - 1);
    close(fd);
    return length > 0 && atoi(text) == (int)getpid();
}

void pid_file_remove(struct pid_file *p)
{
    if (p->path == NULL)
        return;
    if (!p->is_there)
        unlink(p->draft);
    else if (is_of_this_process(p->path))
        unlink(p->path);
    *p = (struct pid_file){0};
}
