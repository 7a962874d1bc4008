#include "process/told.h"

#include "base/mem.h"
#include "client/moving.h"
#include "os/passing.h"

#include <errno.h>
#include <unistd.h>

struct arrivals {
    uv_poll_t poll;
    int socket;
    struct told *told;
    struct list_node node;
};

/* --- clients of another worker --- */

static void on_arrivals_closed(uv_handle_t *handle)
{
    mem_free(list_entry((uv_poll_t *)handle, struct arrivals, poll));
}

static void arrivals_close(struct arrivals *a)
{
    list_remove(&a->node);
    uv_close((uv_handle_t *)&a->poll, on_arrivals_closed);
    close(a->socket);
}

static void on_arrivals(uv_poll_t *handle, int status, int events)
{
    struct arrivals *a = handle->data;
    const struct entrance *e = a->told->entrance;

    (void)status;
    (void)events;
    loop_note_event(a->told->loop);
    if (!clients_take_over(a->told->clients, a->socket, e->listeners, e->count))
        arrivals_close(a);
}

static void told_take_clients(struct told *t, int socket)
{
    struct arrivals *a = mem_zalloc(sizeof *a);

    a->socket = socket;
    a->told = t;
    list_append(&t->arrivals, &a->node);
    CHECK(uv_poll_init(&t->loop->uv, &a->poll, socket) == 0);
    a->poll.data = a;
    CHECK(uv_poll_start(&a->poll, UV_READABLE, on_arrivals) == 0);
}

/* --- words --- */

static void told_hear(struct told *t, enum channel_message what, int fd)
{
    if (what == CHANNEL_DRAIN)
        t->on_drain(t);
    if (fd < 0)
        return;
    if (what == CHANNEL_HAND_OVER || what == CHANNEL_HAND_OVER_ALL)
        t->on_hand_over(t, fd, what == CHANNEL_HAND_OVER_ALL);
    else if (what == CHANNEL_TAKE)
        told_take_clients(t, fd);
    else
        close(fd);
}

static void on_told(uv_poll_t *handle, int status, int events)
{
    struct told *t = handle->data;
    int fds[PASSING_MOST];
    unsigned count;
    char what;
    ssize_t length = passing_receive(t->channel, &what, 1, fds, &count);

    (void)status;
    (void)events;
    if (length == -EAGAIN)
        return;
    for (unsigned i = 1; i < count; i++)
        close(fds[i]);
    if (length > 0)
        told_hear(t, (enum channel_message)what, count > 0 ? fds[0] : -1);
    else
        uv_poll_stop(handle); /* the supervisor is gone: a signal says so, too */
}

void told_init(struct told *t, struct clients *clients, const struct entrance *entrance,
               int channel)
{
    t->loop = clients->loop;
    t->clients = clients;
    t->entrance = entrance;
    t->channel = channel;
    list_init(&t->arrivals);
    if (channel < 0)
        return;
    CHECK(uv_poll_init(&t->loop->uv, &t->poll, channel) == 0);
    t->poll.data = t;
    CHECK(uv_poll_start(&t->poll, UV_READABLE, on_told) == 0);
}

void told_close(struct told *t)
{
    if (t->channel >= 0)
        uv_close((uv_handle_t *)&t->poll, NULL);
    while (!list_is_empty(&t->arrivals))
        arrivals_close(list_entry(t->arrivals.next, struct arrivals, node));
}
