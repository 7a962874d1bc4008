#include "net/watch.h"

#include "base/mem.h"

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct watch *w = handle->data;
    struct loop *loop = w->loop;

    w->on_ready(w, w->descriptor, status < 0 || (events & UV_READABLE) != 0,
                status < 0 || (events & UV_WRITABLE) != 0);
    loop_end_event(loop);
}

static void on_closed(uv_handle_t *handle)
{
    mem_free(handle);
}

static int watch_begin(struct watch *w, struct loop *loop, int descriptor)
{
    int status;

    w->handle = mem_alloc(sizeof *w->handle);
    w->loop = loop;
    w->descriptor = descriptor;
    status = uv_poll_init(&loop->uv, w->handle, descriptor);
    if (status < 0) {
        mem_free(w->handle);
        w->handle = NULL;
        return status;
    }
    w->handle->data = w;
    return 0;
}

int watch_set(struct watch *w, struct loop *loop, int descriptor, bool to_read, bool to_write)
{
    int status = w->handle == NULL ? watch_begin(w, loop, descriptor) : 0;

    if (status < 0)
        return status;
    return uv_poll_start(w->handle, (to_read ? UV_READABLE : 0) | (to_write ? UV_WRITABLE : 0),
                         on_poll);
}

/* Stopped at once, so that the descriptor may be closed; libuv lets go of the handle later. */
void watch_stop(struct watch *w)
{
    if (w->handle == NULL)
        return;
    (void)uv_poll_stop(w->handle);
    uv_close((uv_handle_t *)w->handle, on_closed);
    w->handle = NULL;
}
