#include "admin/processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES = 8192, PROCESSES_MAX = 300, READ_TRIES = 3 };

/* False, and the text is empty, if there is no such file. */
static bool read_file(pid_t pid, const char *name, char text[FILE_BYTES])
{
    char path[64];
    ssize_t length = -1;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        length = read(fd, text, FILE_BYTES - 1);
        close(fd);
    }
    text[length > 0 ? length : 0] = '\0';
    return length > 0;
}

/* --- CPU --- */

struct ticks {
    uint64_t own, of_ended; /* of_ended: of children that were waited for */
};

/* Behind the name, which may have spaces, the 12th to 15th: utime stime cutime cstime. */
static struct ticks read_ticks(pid_t pid)
{
    char text[FILE_BYTES];
    unsigned long user = 0, system = 0;
    long user_of_ended = 0, system_of_ended = 0;
    const char *behind;

    if (!read_file(pid, "stat", text) || (behind = strrchr(text, ')')) == NULL ||
        sscanf(behind + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld", &user,
               &system, &user_of_ended, &system_of_ended) != 4)
        return (struct ticks){0};
    return (struct ticks){user + system, (uint64_t)(user_of_ended + system_of_ended)};
}

/* The supervisor and its children; how many there are. */
static unsigned list_processes(pid_t supervisor, pid_t list[PROCESSES_MAX])
{
    char name[64], text[FILE_BYTES], *rest = text, *end;
    unsigned count = 0;

    list[count++] = supervisor;
    snprintf(name, sizeof name, "task/%d/children", (int)supervisor);
    read_file(supervisor, name, text);
    while (count < PROCESSES_MAX) {
        long pid = strtol(rest, &end, 10);

        if (end == rest)
            break;
        rest = end;
        list[count++] = (pid_t)pid;
    }
    return count;
}

/* If a child was waited for meanwhile, its time is missed, or counted twice: once more then. */
static double read_cpu(pid_t supervisor)
{
    static double most;
    uint64_t ticks = 0, before;
    double seconds;

    for (unsigned tries = 0; tries < READ_TRIES; tries++) {
        pid_t list[PROCESSES_MAX];
        unsigned count = list_processes(supervisor, list);

        before = ticks = read_ticks(supervisor).of_ended;
        for (unsigned i = 0; i < count; i++)
            ticks += read_ticks(list[i]).own;
        if (read_ticks(supervisor).of_ended == before)
            break;
    }
    seconds = (double)ticks / (double)sysconf(_SC_CLK_TCK);
    if (seconds > most)
        most = seconds;
    return most;
}

/* --- memory and descriptors --- */

static void add_memory(pid_t pid, uint64_t *own, uint64_t *shared_most)
{
    unsigned long resident = 0, shared = 0;
    char text[FILE_BYTES];

    if (!read_file(pid, "statm", text) || sscanf(text, "%*u %lu %lu", &resident, &shared) != 2)
        return;
    *own += resident - (shared < resident ? shared : resident);
    if (shared > *shared_most)
        *shared_most = shared;
}

/* Since Linux 6.2 the size of the folder is how many there are. */
static uint64_t count_fds(pid_t pid)
{
    char path[64];
    struct stat about;
    uint64_t count = 0;
    DIR *folder;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    if (stat(path, &about) == 0 && about.st_size > 0)
        return (uint64_t)about.st_size;
    folder = opendir(path);
    if (folder == NULL)
        return 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

struct processes processes_read(pid_t supervisor)
{
    struct processes p = {.cpu_seconds = read_cpu(supervisor)};
    struct rlimit most = {0};
    pid_t list[PROCESSES_MAX];
    unsigned count = list_processes(supervisor, list);
    uint64_t own = 0, shared = 0;

    (void)getrlimit(RLIMIT_NOFILE, &most);
    for (unsigned i = 0; i < count; i++) {
        add_memory(list[i], &own, &shared);
        p.open_fds += count_fds(list[i]);
    }
    p.max_fds = (uint64_t)most.rlim_cur * count;
    p.resident_bytes = (own + shared) * (uint64_t)sysconf(_SC_PAGESIZE);
    return p;
}
