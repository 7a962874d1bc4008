#include "os/waited.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

uint64_t waited_ms(pid_t pid)
{
    char path[64], text[96], *rest;
    ssize_t length;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0)
        return 0;
    text[length] = '\0';
    strtoull(text, &rest, 10); /* nanoseconds that it ran, that it waited, and how often it ran */
    return strtoull(rest, NULL, 10) / 1000000;
}
