#include "net/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

enum { LISTENER_BACKLOG = 4096 };

static void on_connection(uv_stream_t *stream, int status)
{
    struct listener *l = stream->data;

    if (status != 0)
        return; /* it went away before it was accepted, or there was no descriptor for it */
    l->is_waiting = true;
    l->on_connection(l);
}

int listener_open(struct listener *l, struct loop *loop, int socket)
{
    int on = 1;
    int status = uv_tcp_init(&loop->uv, &l->tcp);

    l->is_waiting = false;
    l->tcp.data = l;
    /* Accepted sockets inherit it, which saves a system call for each. */
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (status == 0)
        status = uv_tcp_open(&l->tcp, socket);
    if (status == 0)
        status = uv_listen(listener_stream(l), LISTENER_BACKLOG, on_connection);
    return status;
}

static void on_closed(uv_handle_t *handle)
{
    struct listener *l = handle->data;

    if (l->on_closed != NULL)
        l->on_closed(l);
}

void listener_close(struct listener *l)
{
    if (!uv_is_closing((uv_handle_t *)&l->tcp))
        uv_close((uv_handle_t *)&l->tcp, on_closed);
}
