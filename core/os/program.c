#include "os/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

static struct {
    char path[PATH_MAX]; /* "": not known */
    char **arguments;
} start;

/* By the name that the kernel was given, as a link of that name may lead to another file by now. */
void program_remember(char **arguments)
{
    const char *name = (const char *)getauxval(AT_EXECFN);
    char folder[PATH_MAX];

    start.arguments = arguments;
    if (name == NULL || getcwd(folder, sizeof folder) == NULL)
        return;
    if (snprintf(start.path, sizeof start.path, "%s%s%s", name[0] == '/' ? "" : folder,
                 name[0] == '/' ? "" : "/", name) >= (int)sizeof start.path)
        start.path[0] = '\0';
}

const char *program_path(void)
{
    return start.path[0] != '\0' ? start.path : NULL;
}

char *const *program_arguments(void)
{
    return start.arguments;
}

/* The kernel was given a descriptor, and no name. */
void program_rename(struct slice path)
{
    const char *name;

    if (path.length == 0 || path.length >= sizeof start.path)
        return;
    memcpy(start.path, path.start, path.length);
    start.path[path.length] = '\0';
    name = strrchr(start.path, '/');
    prctl(PR_SET_NAME, name != NULL ? name + 1 : start.path);
}

int program_open(void)
{
    return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
}

int program_run(void)
{
    if (program_path() == NULL)
        return -ENOENT;
    execv(start.path, start.arguments);
    return -errno;
}

void program_keep(int fd, bool keeps)
{
    if (fd >= 0)
        (void)fcntl(fd, F_SETFD, keeps ? 0 : FD_CLOEXEC);
}
