#include "client/moving.h"

#include "base/mem.h"
#include "client/admission.h"
#include "client/h2.h"
#include "client/introduction.h"
#include "client/patience.h"
#include "os/passing.h"

#include <errno.h>
#include <unistd.h>

enum { AGAIN_MS = 1, FORMAT = 1 };

enum {
    MOVED_HAS_SERVED = 1,
    MOVED_IS_NAMELESS = 2,
    MOVED_IS_INTRODUCED = 4, /* its PROXY header was read, or it needs none */
};

/* Another program may read it, one of an older or a newer version: what is new comes at the end of
 * a record, and a record of another length is read as far as it goes. */
struct moved {
    struct sockaddr_in6 peer;
    uint32_t listener, flags, age_ms;
};

struct message {
    uint32_t format, record_bytes, count;
    struct moved records[PASSING_MOST];
};

static size_t message_bytes(uint32_t count)
{
    return offsetof(struct message, records) + count * sizeof(struct moved);
}

/* --- who moves --- */

/* What it sends is read up to the end of a request, never beyond. */
static bool may_move_now(struct client *c)
{
    return client_moves(c) && client_is_resting(c) && early_bytes(c) == 0 && !c->has_ended &&
           c->stream.failure == 0 && stream_backlog(&c->stream) == 0;
}

static struct moved moved_of(const struct client *c)
{
    return (struct moved){
        .peer = c->peer,
        .listener = c->listener->number,
        .flags = (c->has_served ? MOVED_HAS_SERVED : 0) | (c->is_nameless ? MOVED_IS_NAMELESS : 0) |
                 (c->state != CLIENT_INTRODUCTION ? MOVED_IS_INTRODUCED : 0),
        .age_ms = (uint32_t)loop_now_ms(c->clients->loop) - c->accepted_ms,
    };
}

/* --- out --- */

struct batch {
    struct message message;
    struct client *clients[PASSING_MOST];
    int fds[PASSING_MOST];
};

static void stop_moving(struct clients *clients)
{
    struct moving *m = clients->moving;

    deadline_clear(&m->again);
    close(m->socket);
    mem_free(m);
    clients->moving = NULL;
}

/* Their sockets are the other worker's now: closing ours ends no connection. False: not now. */
static bool batch_send(struct clients *clients, struct batch *b)
{
    uint32_t count = b->message.count;
    int status =
        passing_send(clients->moving->socket, &b->message, message_bytes(count), b->fds, count);

    b->message.count = 0;
    if (status == -EAGAIN || status == -ETOOMANYREFS || status == -ENOBUFS) {
        deadline_set(clients->loop, &clients->moving->again, AGAIN_MS);
        return false;
    }
    if (status != 0) { /* the other one is gone */
        stop_moving(clients);
        clients_drain(clients);
        return false;
    }
    for (uint32_t i = 0; i < count; i++)
        client_close(b->clients[i]);
    return true;
}

static void batch_add(struct batch *b, struct client *c)
{
    uint32_t i = b->message.count++;

    b->message.records[i] = moved_of(c);
    b->clients[i] = c;
    b->fds[i] = stream_fd(&c->stream);
}

static bool move_list(struct clients *clients, struct list_node *list, struct batch *b)
{
    for (struct list_node *node = list->next; node != list; node = node->next) {
        struct client *c = list_entry(node, struct client, node);

        if (!may_move_now(c))
            continue;
        batch_add(b, c);
        if (b->message.count == PASSING_MOST && !batch_send(clients, b))
            return false;
    }
    return true;
}

static void move_all(struct clients *clients)
{
    static struct batch b; /* large */

    b.message = (struct message){.format = FORMAT, .record_bytes = sizeof(struct moved)};
    for (unsigned i = 0; i < CLIENTS_LISTS; i++)
        if (!move_list(clients, &clients->lists[i], &b))
            return;
    if (b.message.count > 0)
        (void)batch_send(clients, &b);
}

static void on_again(struct deadline *d)
{
    move_all(list_entry(d, struct moving, again)->clients);
}

void client_move(struct client *c)
{
    static struct batch b;

    if (!may_move_now(c) || deadline_is_set(&c->clients->moving->again))
        return; /* it goes with the others */
    b.message = (struct message){.format = FORMAT, .record_bytes = sizeof(struct moved)};
    batch_add(&b, c);
    (void)batch_send(c->clients, &b);
}

/* What cannot move ends as soon as it can be told so. */
static void prepare(struct client *c)
{
    if (c->h2 != NULL)
        h2_client_drain(c);
    else if (c->incoming != NULL && !client_moves(c))
        c->incoming->closes = true;
}

void clients_hand_over(struct clients *clients, int socket)
{
    struct moving *m = mem_zalloc(sizeof *m);

    m->clients = clients;
    m->socket = socket;
    deadline_init(&m->again, on_again);
    clients->moving = m;
    clients->is_draining = true;
    clients_each(clients, prepare);
    move_all(clients);
}

void clients_stop_moving(struct clients *clients)
{
    if (clients->moving != NULL)
        stop_moving(clients);
}

/* --- in --- */

static bool read_record(const struct message *m, size_t length, uint32_t i, struct moved *out)
{
    size_t at = offsetof(struct message, records) + (size_t)i * m->record_bytes;
    size_t bytes = m->record_bytes < sizeof *out ? m->record_bytes : sizeof *out;

    *out = (struct moved){0};
    if (m->format != FORMAT || at + m->record_bytes > length)
        return false;
    memcpy(out, (const char *)m + at, bytes);
    return true;
}

bool clients_take_over(struct clients *clients, int socket, const struct listener *listeners,
                       unsigned count)
{
    static union {
        struct message message;
        char room[65536]; /* for longer records, too */
    } read;
    int fds[PASSING_MOST];
    unsigned have;
    ssize_t length = passing_receive(socket, &read, sizeof read, fds, &have);

    if (length == -EAGAIN)
        return true;
    for (uint32_t i = 0; i < have; i++) {
        struct moved moved;

        if (length < (ssize_t)message_bytes(0) ||
            !read_record(&read.message, (size_t)length, i, &moved) || moved.listener >= count)
            close(fds[i]);
        else
            client_arrive(clients, &listeners[moved.listener], fds[i],
                          &(struct arrival){.peer = moved.peer,
                                            .age_ms = moved.age_ms,
                                            .has_served = moved.flags & MOVED_HAS_SERVED,
                                            .is_nameless = moved.flags & MOVED_IS_NAMELESS,
                                            .is_introduced = moved.flags & MOVED_IS_INTRODUCED});
    }
    return length > 0;
}
