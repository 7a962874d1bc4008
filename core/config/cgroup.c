/*
 * A line of /proc/self/cgroup says in which group of a hierarchy the process is. The limits of that
 * group are files below the place where the hierarchy is mounted:
 *
 *   "0::/system.slice/lb.service"    /sys/fs/cgroup/system.slice/lb.service/cpu.max
 *   "4:cpu,cpuacct:/lb"              /sys/fs/cgroup/cpu,cpuacct/lb/cpu.cfs_quota_us
 */
#include "config/cgroup.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 4096 };

/* Of one group, or INFINITY. folder is the group's, with all its limits. */
typedef double (*limit_reader)(const char *folder);

struct resource {
    const char *controller; /* its name in version 1 */
    limit_reader of_version_1, of_version_2;
};

/* How many numbers the file begins with: 0 where there is no such file, or it says "max". */
static int read_numbers(const char *folder, const char *name, double *first, double *second)
{
    char path[PATH_BYTES];
    FILE *file;
    int found;

    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= PATH_BYTES)
        return 0;
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    found = fscanf(file, "%lf %lf", first, second);
    fclose(file);
    return found < 0 ? 0 : found;
}

/* --- one limit of one group --- */

static double read_bytes(const char *folder, const char *name)
{
    double bytes, none;

    return read_numbers(folder, name, &bytes, &none) > 0 ? bytes : INFINITY;
}

static double memory_of_version_1(const char *folder)
{
    return read_bytes(folder, "memory.limit_in_bytes");
}

static double memory_of_version_2(const char *folder)
{
    return read_bytes(folder, "memory.max");
}

static double part_of(double quota, double period)
{
    return quota > 0 && period > 0 ? quota / period : INFINITY; /* without a limit it is -1 */
}

static double cpus_of_version_1(const char *folder)
{
    double quota, period, none;

    if (read_numbers(folder, "cpu.cfs_quota_us", &quota, &none) != 1 ||
        read_numbers(folder, "cpu.cfs_period_us", &period, &none) != 1)
        return INFINITY;
    return part_of(quota, period);
}

static double cpus_of_version_2(const char *folder)
{
    double quota, period;

    return read_numbers(folder, "cpu.max", &quota, &period) == 2 ? part_of(quota, period)
                                                                 : INFINITY;
}

/* --- all groups --- */

/* Of the group and of all that it is in. In a container the mount may begin at the container's own
 * group: what is above it cannot be seen then, and the mount itself has the limit. */
static double limit_of_group(const char *root, const char *mount, const char *group,
                             limit_reader read_limit)
{
    char folder[PATH_BYTES];
    int base = snprintf(folder, sizeof folder, "%s/sys/fs/cgroup%s", root, mount);
    double least = INFINITY;
    char *end;

    if (strncmp(group, "/..", 3) == 0) /* outside of what this cgroup namespace shows */
        group = "";
    if ((size_t)base + strlen(group) >= sizeof folder)
        return INFINITY;
    strcpy(folder + base, group);
    do {
        least = fmin(least, read_limit(folder));
        end = strrchr(folder + base, '/');
        if (end != NULL)
            *end = '\0';
    } while (end != NULL);
    return least;
}

static bool has_controller(const char *list, const char *name)
{
    size_t length = strlen(name);

    for (const char *at = list; (at = strstr(at, name)) != NULL; at += length)
        if ((at == list || at[-1] == ',') && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

/* A hierarchy of version 1 is mounted by the name of all its controllers, or of one. */
static double limit_of_version_1(const char *root, const char *controllers, const char *group,
                                 const struct resource *resource)
{
    char mount[PATH_BYTES];
    double of_all = INFINITY, of_one;

    if (!has_controller(controllers, resource->controller))
        return INFINITY;
    if (snprintf(mount, sizeof mount, "/%s", controllers) < PATH_BYTES)
        of_all = limit_of_group(root, mount, group, resource->of_version_1);
    snprintf(mount, sizeof mount, "/%s", resource->controller);
    of_one = limit_of_group(root, mount, group, resource->of_version_1);
    return fmin(of_all, of_one);
}

/* A line of /proc/self/cgroup: number, controllers (none: version 2), group. */
static double limit_by_line(const char *root, char *line, const struct resource *resource)
{
    char *controllers = strchr(line, ':');
    char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;

    if (group == NULL)
        return INFINITY;
    line[strcspn(line, "\n")] = '\0';
    *group++ = '\0';
    if (controllers[1] != '\0')
        return limit_of_version_1(root, controllers + 1, group, resource);
    return fmin(limit_of_group(root, "", group, resource->of_version_2),
                limit_of_group(root, "/unified", group, resource->of_version_2));
}

static double least_limit(const char *root, const struct resource *resource)
{
    char path[PATH_BYTES], line[PATH_BYTES];
    double least = INFINITY;
    FILE *file;

    if (snprintf(path, sizeof path, "%s/proc/self/cgroup", root) >= PATH_BYTES)
        return INFINITY;
    file = fopen(path, "re");
    if (file == NULL)
        return INFINITY;
    while (fgets(line, sizeof line, file) != NULL)
        least = fmin(least, limit_by_line(root, line, resource));
    fclose(file);
    return least;
}

uint64_t cgroup_memory_bytes(const char *root)
{
    static const struct resource memory = {"memory", memory_of_version_1, memory_of_version_2};
    double bytes = least_limit(root, &memory);

    return bytes < 0x1p63 ? (uint64_t)bytes : UINT64_MAX;
}

double cgroup_cpus(const char *root)
{
    static const struct resource cpu = {"cpu", cpus_of_version_1, cpus_of_version_2};

    return least_limit(root, &cpu);
}
