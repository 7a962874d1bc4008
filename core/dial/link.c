#include "dial/link.h"

#include "base/mem.h"

#include <limits.h>
#include <sys/resource.h>

enum { LINKS_DEFAULT = 256, DESCRIPTORS_SHARE = 8 }; /* one in so many is a script's at most */

/* One process has one loop. */
static unsigned links_count, links_wanted = LINKS_DEFAULT, descriptors_part;
static struct list_node waiting = {&waiting, &waiting};
static unsigned wakes; /* so many of `waiting` are to be woken */
static size_t held_bytes;
static size_t held_limit = LINKS_HELD_BYTES_MAX;

void links_set_limit(uint64_t connections)
{
    links_wanted = connections < UINT_MAX ? (unsigned)connections : UINT_MAX;
}

unsigned links_limit(void)
{
    struct rlimit descriptors;

    if (descriptors_part == 0) {
        descriptors_part = UINT_MAX;
        if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0 &&
            descriptors.rlim_cur / DESCRIPTORS_SHARE < UINT_MAX)
            descriptors_part = (unsigned)(descriptors.rlim_cur / DESCRIPTORS_SHARE) + 1;
    }
    return links_wanted < descriptors_part ? links_wanted : descriptors_part;
}

bool links_are_full(void)
{
    return links_count >= links_limit();
}

static void on_room(struct deferred *deferred)
{
    (void)deferred;
    while (wakes > 0 && !list_is_empty(&waiting)) {
        struct links_waiter *waiter = list_entry(waiting.next, struct links_waiter, node);

        wakes--;
        list_remove(&waiter->node);
        waiter->was_woken = true;
        waiter->on_room(waiter);
    }
    wakes = 0;
}

static struct deferred room = {.node = {&room.node, &room.node}, .run = on_room};

void links_wait(struct links_waiter *waiter)
{
    if (waiter->was_woken)
        list_prepend(&waiting, &waiter->node);
    else
        list_append(&waiting, &waiter->node);
}

void links_wake(struct loop *loop)
{
    if (list_is_empty(&waiting))
        return;
    wakes++;
    loop_defer(loop, &room);
}

void link_on_closed(struct stream *s)
{
    secured_release(link_of(s)->secured);
    mem_free(link_of(s));
}

int link_open(struct link **out, struct loop *loop, const struct sockaddr *to,
              struct secured *secured, const struct stream_events *events, void *owner)
{
    struct link *link = mem_zalloc(sizeof *link);
    int status;

    link->owner = owner;
    link->secured = secured_hold(secured);
    link->opened_ms = loop_now_ms(loop);
    links_count++;
    status = stream_connect(&link->stream, loop, to, events);
    *out = status == 0 ? link : NULL;
    if (status != 0)
        link_close(link);
    return status;
}

void link_secure(struct link *link)
{
    stream_secure_to(&link->stream, secured_target(link->secured));
}

/* The descriptor is closed at once; only the memory has to wait for the loop. */
void link_close(struct link *link)
{
    if (!link->stream.is_closing) {
        links_count--;
        links_wake(link->stream.loop);
    }
    stream_close(&link->stream);
}

const char held_too_many[] = "the connections of scripts hold too many bytes";

void held_set_limit(size_t bytes)
{
    held_limit = bytes < LINKS_HELD_BYTES_MAX ? bytes : LINKS_HELD_BYTES_MAX;
}

bool held_append(struct buffer *b, struct slice bytes)
{
    size_t before = b->capacity;

    if (held_bytes - before + 2 * (buffer_length(b) + bytes.length) > held_limit)
        return false;
    buffer_append(b, bytes);
    held_bytes += b->capacity - before;
    return true;
}

void held_dispose(struct buffer *b)
{
    held_bytes -= b->capacity;
    buffer_dispose(b);
}

bool held_take(size_t bytes)
{
    if (held_bytes + bytes > held_limit)
        return false;
    held_bytes += bytes;
    return true;
}

void held_give(size_t bytes)
{
    held_bytes -= bytes;
}
