#include "shared/segment.h"

#include <stddef.h>
#include <sys/mman.h>

/* 0, the kernel's fresh pages, is the first value of everything in it. */
struct segment *segment_new(void)
{
    struct segment *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return s == MAP_FAILED ? NULL : s;
}

void segment_free(struct segment *s)
{
    if (s != NULL)
        munmap(s, sizeof *s);
}
