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

/* A limit is a number, divided by a second one: that stands behind it, or has a file of its own. */
struct limit_files {
    const char *name, *divisor; /* divisor NULL: no file */
    double by_default;          /* the divisor if no file has it; 0: then there is no limit */
};

struct resource {
    const char *controller; /* its name in version 1 */
    struct limit_files of_version_1, of_version_2;
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

/* Of one group, or INFINITY: without a limit the number is -1, or "max". */
static double read_limit(const char *folder, const struct limit_files *files)
{
    double number, divisor = files->by_default, none;
    int found = read_numbers(folder, files->name, &number, &divisor);

    if (found > 0 && files->divisor != NULL)
        found = read_numbers(folder, files->divisor, &divisor, &none);
    return found > 0 && number > 0 && divisor > 0 ? number / divisor : INFINITY;
}

/* --- all groups --- */

/* Of the group and of all that it is in. In a container the mount may begin at the container's own
 * group: what is above it cannot be seen then, and the mount itself has the limit. */
static double limit_of_group(const char *root, const char *mount, const char *group,
                             const struct limit_files *files)
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
        least = fmin(least, read_limit(folder, files));
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
        of_all = limit_of_group(root, mount, group, &resource->of_version_1);
    snprintf(mount, sizeof mount, "/%s", resource->controller);
    of_one = limit_of_group(root, mount, group, &resource->of_version_1);
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
    return fmin(limit_of_group(root, "", group, &resource->of_version_2),
                limit_of_group(root, "/unified", group, &resource->of_version_2));
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
    static const struct resource memory = {
        "memory", {"memory.limit_in_bytes", NULL, 1}, {"memory.max", NULL, 1}};
    double bytes = least_limit(root, &memory);

    return bytes < 0x1p63 ? (uint64_t)bytes : UINT64_MAX;
}

double cgroup_cpus(const char *root)
{
    static const struct resource cpu = {
        "cpu", {"cpu.cfs_quota_us", "cpu.cfs_period_us", 0}, {"cpu.max", NULL, 0}};

    return least_limit(root, &cpu);
}
