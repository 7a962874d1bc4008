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
#include "config/cgroup.h"
#include "config/config.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
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

/* What lb uses of RLIMIT_AS before it serves a client; most of it is the segment that all processes
 * share. Read once: later clients have a part in it. */
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

uint64_t config_memory_part(const struct config *config)
{
    uint64_t shared, part, script = config->script_limits.memory;

    if (config->limits.memory > 0) {
        part = config->limits.memory / config->workers;
    } else {
        shared = lesser(cgroup_memory_bytes(""), machine_bytes()) / config->workers;
        part = lesser(shared, process_bytes()) / 4 * 3;
        /* Where there is little, a script seldom needs all of its cap. */
        part = part - part / 3 > script ? part - script : part / 3;
    }
    return part > CONFIG_MEMORY_PART_MIN ? part : CONFIG_MEMORY_PART_MIN;
}
