#include "shared/segment.h"

#include "base/hash.h"

#include <stddef.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

static bool is_random(void *bytes, size_t count)
{
    return getrandom(bytes, count, 0) == (ssize_t)count;
}

/* 0, the kernel's fresh pages, is the first value of everything else in it. */
static struct segment *segment_begin(struct segment *s)
{
    if (s == NULL)
        return NULL;
    if (!is_random(s->clients_by_address_secret, sizeof s->clients_by_address_secret) ||
        !is_random(s->ids_secret, sizeof s->ids_secret)) {
        segment_free(s);
        return NULL;
    }
    s->look_fd = -1;
    return s;
}

static struct segment *map(int flags, int fd)
{
    void *s =
        mmap(NULL, sizeof(struct segment), PROT_READ | PROT_WRITE, MAP_NORESERVE | flags, fd, 0);

    return s != MAP_FAILED ? s : NULL;
}

struct segment *segment_new(void)
{
    return segment_begin(map(MAP_SHARED | MAP_ANONYMOUS, -1));
}

struct segment *segment_map(int fd)
{
    return map(MAP_SHARED, fd);
}

struct segment *segment_new_kept(int *fd)
{
    struct segment *s = NULL;

    *fd = memfd_create("lb segment", MFD_CLOEXEC);
    if (*fd >= 0 && ftruncate(*fd, sizeof *s) == 0)
        s = segment_map(*fd);
    if (s != NULL)
        return segment_begin(s);
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return segment_new();
}

void segment_free(struct segment *s)
{
    if (s != NULL)
        munmap(s, sizeof *s);
}

uint64_t segment_layout(void)
{
    static const uint64_t marks[] = {
        SEGMENT_LAYOUT,
        sizeof(struct segment),
        sizeof(struct segment_worker),
        sizeof(struct segment_share),
        sizeof(struct segment_backend),
        sizeof(struct segment_counter),
        sizeof(struct segment_turn),
        sizeof(struct segment_misses),
        sizeof(struct segment_totals),
        sizeof(struct segment_own),
        sizeof(struct table),
        offsetof(struct segment, workers),
        offsetof(struct segment, shares),
        offsetof(struct segment, misses),
        offsetof(struct segment, totals),
        offsetof(struct segment, pools),
        offsetof(struct segment, clients_by_address),
        offsetof(struct segment, counters),
        offsetof(struct segment, turns),
        offsetof(struct segment, own),
        offsetof(struct segment, backends),
        offsetof(struct segment, wakes),
        offsetof(struct segment, table),
        offsetof(struct segment, tickets),
        sizeof(struct roster_entry),
        offsetof(struct segment, roster),
        offsetof(struct segment, events),
        offsetof(struct segment, changes),
        offsetof(struct segment, reloaded),
        offsetof(struct segment, decisions),
        offsetof(struct segment, is_leaving),
        sizeof(struct segment_span),
        offsetof(struct segment, spans),
    };

    return hash_add(HASH_START, (struct slice){(const char *)marks, sizeof marks});
}
