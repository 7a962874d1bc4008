/*
 * By accept4 itself and not by uv_listen: uv_listen takes one connection in a turn of the loop, and
 * needs another system call for each peer's address.
 *
 * The number of tries in a turn follows from the number of connections in the last turn. A try that
 * finds none costs about as much as a try that finds one, and the loop reports the rest anyway.
 */
#include "net/listener.h"

#include "net/shortage.h"

#include <errno.h>
#include <unistd.h>

enum {
    LISTENER_BACKLOG = 4096,
    BATCH_MAX = 64, /* other events of the turn wait meanwhile */
    AGAIN_MS = 20,
};

static void on_readable(uv_poll_t *, int status, int events);

static void listener_start(struct listener *l)
{
    if (uv_is_closing((uv_handle_t *)&l->poll))
        return;
    CHECK(uv_poll_start(&l->poll, UV_READABLE, on_readable) == 0);
}

static void on_again(struct deadline *d)
{
    struct listener *l = list_entry(d, struct listener, again);

    CHECK(!uv_is_closing((uv_handle_t *)&l->poll));
    l->is_waiting = false;
    listener_start(l);
}

/* The queue stays readable, and would keep the loop from waiting. */
static void listener_try_later(struct listener *l)
{
    uv_poll_stop(&l->poll);
    deadline_set(l->loop, &l->again, AGAIN_MS);
}

/* False if no other connection waits for now. An error of one connection before it was accepted
 * says nothing about the next (accept(2)). */
static bool listener_accept(struct listener *l)
{
    struct sockaddr_in6 peer = {.sin6_family = AF_UNSPEC};
    socklen_t length = sizeof peer;
    int socket =
        accept4(l->socket, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int error = errno;

    if (socket >= 0) {
        loop_note_event(l->loop);
        l->on_connection(l, socket, &peer);
        return true;
    }
    if (error == EMFILE && l->make_room(l))
        return true;
    if (shortage_explains(-error)) {
        listener_try_later(l);
        return false;
    }
    return error != EAGAIN;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct listener *l = poll->data;
    unsigned count = 0;

    (void)events;
    DCHECK(!uv_is_closing((uv_handle_t *)poll));
    if (status != 0) {
        listener_try_later(l);
        return;
    }
    while (count < l->batch) {
        if (!l->has_room(l)) {
            if (count > 0) /* perhaps no other is there; if one is, the loop reports it */
                break;
            if (!l->on_full(l)) {
                l->is_waiting = true;
                listener_try_later(l);
                return;
            }
        }
        if (!listener_accept(l))
            break;
        count++;
    }
    if (count == l->batch)
        l->batch = (uint16_t)(2 * count < BATCH_MAX ? 2 * count : BATCH_MAX);
    else
        l->batch = (uint16_t)(count > 0 ? count : 1);
}

int listener_open(struct listener *l, struct loop *loop, int socket)
{
    int status = uv_poll_init(&loop->uv, &l->poll, socket);

    CHECK(status == 0);
    l->loop = loop;
    l->socket = socket;
    l->batch = 1;
    l->is_waiting = false;
    l->poll.data = l;
    deadline_init(&l->again, on_again);
    if (listen(socket, LISTENER_BACKLOG) != 0)
        return -errno;
    listener_start(l);
    return 0;
}

void listener_go_on(struct listener *l)
{
    if (!l->is_waiting)
        return;
    l->is_waiting = false;
    listener_start(l);
}

void listener_accept_rest(struct listener *l)
{
    unsigned count = 0;

    if (uv_is_closing((uv_handle_t *)&l->poll))
        return;
    while (count <= LISTENER_BACKLOG && listener_accept(l))
        count++;
}

static void on_closed(uv_handle_t *handle)
{
    struct listener *l = handle->data;

    if (l->on_closed != NULL)
        l->on_closed(l);
}

void listener_close(struct listener *l)
{
    if (uv_is_closing((uv_handle_t *)&l->poll))
        return;
    deadline_clear(&l->again);
    uv_close((uv_handle_t *)&l->poll, on_closed);
    close(l->socket); /* the loop watches it no more */
}
