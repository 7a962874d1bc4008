#include "shared/segment.h"

#include <stddef.h>
#include <sys/mman.h>
#include <sys/random.h>

static bool is_random(void *bytes, size_t count)
{
    return getrandom(bytes, count, 0) == (ssize_t)count;
}

/* 0, the kernel's fresh pages, is the first value of everything else in it. */
struct segment *segment_new(void)
{
    struct segment *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (s == MAP_FAILED)
        return NULL;
    if (!is_random(s->clients_by_address_secret, sizeof s->clients_by_address_secret) ||
        !is_random(s->ids_secret, sizeof s->ids_secret)) {
        segment_free(s);
        return NULL;
    }
    s->look_fd = -1;
    return s;
}

void segment_free(struct segment *s)
{
    if (s != NULL)
        munmap(s, sizeof *s);
}
