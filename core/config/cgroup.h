/*
 * cgroup - the memory and CPUs that the cgroups of this process allow: the least limit of its group
 * and of all groups around that, of version 1 and 2, in a container and outside of one.
 *
 * root is "" for this system. A spec gives a folder that has proc/self/cgroup and sys/fs/cgroup.
 */
#ifndef CONFIG_CGROUP_H
#define CONFIG_CGROUP_H

#include <stdint.h>

uint64_t cgroup_memory_bytes(const char *root); /* UINT64_MAX: no limit */
double cgroup_cpus(const char *root);           /* 0.5 is half of a CPU; INFINITY: no limit */

#endif
