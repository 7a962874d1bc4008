/*
 * cgroup - what the cgroups of this process allow: the least that its own group, or one that this
 * group is in, says. Groups of version 1 and of version 2 count, in a container and outside of one.
 *
 * root is "" for this system. A spec gives a folder of its own that has proc/self/cgroup and
 * sys/fs/cgroup.
 */
#ifndef CONFIG_CGROUP_H
#define CONFIG_CGROUP_H

#include <stdint.h>

uint64_t cgroup_memory_bytes(const char *root); /* UINT64_MAX: no limit */
double cgroup_cpus(const char *root);           /* 0.5 is half of a CPU; INFINITY: no limit */

#endif
