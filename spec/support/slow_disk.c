/*
 * slow_disk - a disk that takes nothing, for a program that is started with LD_PRELOAD: fsync lasts
 * as long as the file that SLOW_DISK names is there.
 */
#include <stdlib.h>
#include <unistd.h>

int fsync(int fd)
{
    const char *path = getenv("SLOW_DISK");

    (void)fd;
    while (path != NULL && access(path, F_OK) == 0)
        usleep(5000);
    return 0;
}
