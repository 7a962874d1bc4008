#include "os/waited.h"

#include <stdio.h>

enum { LEAST_MS = 100 }; /* less is not worth to be granted */

uint64_t waited_ms(pid_t pid)
{
    unsigned long long waited_ns = 0;
    char path[64];
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*u %llu", &waited_ns) != 1) /* behind the nanoseconds that it ran */
        waited_ns = 0;
    fclose(file);
    return waited_ns / 1000000;
}

bool waited_grant(pid_t pid, uint64_t *until_ms, uint64_t *granted_ms)
{
    uint64_t waited = waited_ms(pid);

    if (waited < *granted_ms + LEAST_MS)
        return false;
    *until_ms += waited - *granted_ms;
    *granted_ms = waited;
    return true;
}
