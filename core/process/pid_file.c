#include "process/pid_file.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_directory(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

int pid_file_open(struct pid_file *p, const char *path)
{
    FILE *file;

    *p = (struct pid_file){.path = path};
    if (path == NULL)
        return 0;
    if (is_directory(path)) {
        errno = EISDIR;
        return -1;
    }
    if (snprintf(p->draft, sizeof p->draft, "%s.%d", path, (int)getpid()) >= (int)sizeof p->draft) {
        errno = ENAMETOOLONG;
        return -1;
    }
    file = fopen(p->draft, "we");
    if (file == NULL)
        return -1;
    fprintf(file, "%d\n", (int)getpid());
    if (fclose(file) == 0)
        return 0;
    unlink(p->draft);
    return -1;
}

int pid_file_publish(struct pid_file *p)
{
    p->is_there = p->path != NULL && rename(p->draft, p->path) == 0;
    return p->is_there || p->path == NULL ? 0 : -1;
}

static bool is_ours(const char *path)
{
    FILE *file = fopen(path, "re");
    int pid = 0;
    bool is_number;

    if (file == NULL)
        return false;
    is_number = fscanf(file, "%d", &pid) == 1;
    fclose(file);
    return is_number && pid == (int)getpid();
}

void pid_file_remove(struct pid_file *p)
{
    if (p->path == NULL)
        return;
    if (!p->is_there)
        unlink(p->draft);
    else if (is_ours(p->path))
        unlink(p->path);
    *p = (struct pid_file){0};
}
