/*
 * memory - how much of this machine the workers may have for clients, where limits.memory does
 * not say it:
 *
 *   three quarters of what this lb may have, shared by the workers   (cgroup, machine)
 *   three quarters of what one process may have                      (RLIMIT_DATA, RLIMIT_AS)
 *   the lesser of the two, less what its script may have (script.memory) = a worker's part
 *
 * The last quarter is for the supervisor, the monitor, a second VM during a reload and what the
 * allocator cannot use. The kernel's buffers of sockets are not in the account, but count in a
 * cgroup.
 */
#include "config/config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* --- cgroups --- */

/* UINT64_MAX if there is none: no such file, or it says "max". */
static uint64_t limit_in(const char *mount, const char *group, const char *name)
{
    char path[PATH_BYTES];
    uint64_t limit = UINT64_MAX;
    FILE *file;

    if (snprintf(path, sizeof path, "/sys/fs/cgroup%s%s/%s", mount, group, name) >= PATH_BYTES)
        return UINT64_MAX;
    file = fopen(path, "re");
    if (file == NULL)
        return UINT64_MAX;
    if (fscanf(file, "%" SCNu64, &limit) != 1)
        limit = UINT64_MAX;
    fclose(file);
    return limit;
}

/* Of the group and of all that it is in. In a container the mount begins at the container's own
 * group, so that what is above it cannot be seen, and the mount itself has the limit. */
static uint64_t limit_of_group(const char *mount, const char *group, const char *name)
{
    char outer[PATH_BYTES];
    uint64_t least = UINT64_MAX;
    char *end;

    snprintf(outer, sizeof outer, "%s", group);
    do {
        least = lesser(least, limit_in(mount, outer, name));
        end = strrchr(outer, '/');
        if (end != NULL)
            *end = '\0';
    } while (end != NULL);
    return least;
}

/* A line of /proc/self/cgroup: number, controllers (none: cgroup v2), group. */
static uint64_t limit_by_line(char *line)
{
    char *controllers = strchr(line, ':');
    char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;

    if (group == NULL)
        return UINT64_MAX;
    line[strcspn(line, "\n")] = '\0';
    *group++ = '\0';
    if (controllers[1] == '\0')
        return lesser(limit_of_group("", group, "memory.max"),
                      limit_of_group("/unified", group, "memory.max"));
    if (strcmp(controllers + 1, "memory") == 0)
        return limit_of_group("/memory", group, "memory.limit_in_bytes");
    return UINT64_MAX;
}

static uint64_t limit_of_cgroups(void)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    uint64_t least = UINT64_MAX;
    char line[PATH_BYTES];

    if (file == NULL)
        return UINT64_MAX;
    while (fgets(line, sizeof line, file) != NULL)
        least = lesser(least, limit_by_line(line));
    fclose(file);
    return least;
}

/* --- the machine, and one process --- */

static uint64_t page_bytes(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t machine_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);

    return pages > 0 ? (uint64_t)pages * page_bytes() : UINT64_MAX;
}

/* What lb has of RLIMIT_AS before it serves anybody; most of it is the segment that all processes
 * share. Looked at once: later on clients have a part in it. */
static uint64_t mapped_bytes(void)
{
    static uint64_t pages;
    FILE *file = pages == 0 ? fopen("/proc/self/statm", "re") : NULL;

    if (file != NULL) {
        if (fscanf(file, "%" SCNu64, &pages) != 1)
            pages = 0;
        fclose(file);
    }
    return pages * page_bytes();
}

static uint64_t left_of(const struct rlimit *limit, uint64_t used)
{
    if (limit->rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    return limit->rlim_cur > used ? limit->rlim_cur - used : 0;
}

static uint64_t process_bytes(void)
{
    struct rlimit data = {.rlim_cur = RLIM_INFINITY}, space = data;

    (void)getrlimit(RLIMIT_DATA, &data);
    (void)getrlimit(RLIMIT_AS, &space);
    return lesser(left_of(&data, 0), left_of(&space, mapped_bytes()));
}

/* --- the parts --- */

static uint64_t three_quarters(uint64_t bytes)
{
    return bytes / 4 * 3;
}

uint64_t config_memory_part(const struct config *config)
{
    uint64_t shared, part, script = config->script_limits.memory;

    if (config->limits.memory > 0) {
        part = config->limits.memory / config->workers;
    } else {
        shared = lesser(limit_of_cgroups(), machine_bytes()) / config->workers;
        part = three_quarters(lesser(shared, process_bytes()));
        /* Where there is little, the script's cap is more than it will have, mostly. */
        part = part - part / 3 > script ? part - script : part / 3;
    }
    return part > CONFIG_MEMORY_PART_MIN ? part : CONFIG_MEMORY_PART_MIN;
}
