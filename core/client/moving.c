#include "client/moving.h"

#include "base/mem.h"
#include "base/vault.h"
#include "client/admission.h"
#include "client/h2.h"
#include "client/introduction.h"
#include "client/patience.h"
#include "os/passing.h"

#include <errno.h>
#include <unistd.h>

enum {
    AGAIN_MS = 1,
    FORMAT = 1,
    FORMAT_TLS = 2, /* behind each record is what net/tls_move.h writes, in a room of its length */
    MESSAGE_BYTES = 65536,
};

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

struct message_head { /* of a message */
    uint32_t format, record_bytes, count;
};

/* What is sent or was received: it may have keys. */
static struct vault vault;

/* --- who moves --- */

/* What it sends is read up to the end of a request, never beyond. */
static bool may_move_now(struct client *c)
{
    return client_moves(c) && client_is_resting(c) && early_bytes(c) == 0 && !c->has_ended &&
           c->stream.failure == 0 && stream_backlog(&c->stream) == 0 &&
           (c->stream.tls == NULL || tls_may_move(c->stream.tls));
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

/* A message: all of its clients are plain, or all speak TLS. */
struct batch {
    bool is_tls;
    uint32_t count;
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

static void batch_begin(struct batch *b, bool is_tls)
{
    struct message_head head = {.format = is_tls ? FORMAT_TLS : FORMAT,
                                .record_bytes = sizeof(struct moved)};

    b->is_tls = is_tls;
    b->count = 0;
    vault_wipe(&vault);
    CHECK(vault_append(&vault, (struct slice){(const char *)&head, sizeof head}));
}

/* Ours is closed, which ends no connection. */
static void leave(struct client *c)
{
    if (c->stream.tls != NULL)
        tls_move_forget(c->stream.tls);
    client_close(c);
}

/* Their sockets are the other worker's now. False: not now. */
static bool batch_send(struct clients *clients, struct batch *b)
{
    uint32_t count = b->count;
    int status;

    memcpy(vault.bytes + offsetof(struct message_head, count), &count, sizeof count);
    status = passing_send(clients->moving->socket, vault.bytes, vault.length, b->fds, count);
    batch_begin(b, b->is_tls);
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
        leave(b->clients[i]);
    return true;
}

/* False: it has no room. */
static bool batch_has_added(struct batch *b, struct client *c)
{
    struct moved moved = moved_of(c);
    size_t before = vault.length;
    uint32_t bytes = 0;

    if (b->count == PASSING_MOST ||
        !vault_append(&vault, (struct slice){(const char *)&moved, sizeof moved}))
        return false;
    if (b->is_tls) {
        size_t at = vault.length;

        if (!vault_append(&vault, (struct slice){(const char *)&bytes, sizeof bytes}) ||
            !tls_move_out(c->stream.tls, &vault)) {
            vault.length = before;
            return false;
        }
        bytes = (uint32_t)(vault.length - at - sizeof bytes);
        memcpy(vault.bytes + at, &bytes, sizeof bytes);
    }
    b->clients[b->count] = c;
    b->fds[b->count++] = stream_fd(&c->stream);
    return true;
}

static bool batch_add(struct clients *clients, struct batch *b, struct client *c)
{
    if (batch_has_added(b, c))
        return true;
    return b->count > 0 && batch_send(clients, b) && batch_has_added(b, c);
}

static bool move_list(struct clients *clients, struct list_node *list, struct batch *b)
{
    for (struct list_node *node = list->next; node != list; node = node->next) {
        struct client *c = list_entry(node, struct client, node);

        if (may_move_now(c) && (c->stream.tls != NULL) == b->is_tls && !batch_add(clients, b, c))
            return false;
    }
    return true;
}

/* False: not now, or nobody moves any more. */
static bool move_kind(struct clients *clients, bool is_tls)
{
    static struct batch b; /* large */
    bool goes_on = true;

    batch_begin(&b, is_tls);
    for (unsigned i = 0; goes_on && i < CLIENTS_LISTS; i++)
        goes_on = move_list(clients, &clients->lists[i], &b);
    goes_on = goes_on && (b.count == 0 || batch_send(clients, &b));
    vault_wipe(&vault);
    return goes_on;
}

static void move_all(struct clients *clients)
{
    if (move_kind(clients, false) && clients->moving->takes_tls)
        (void)move_kind(clients, true);
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
    batch_begin(&b, c->stream.tls != NULL);
    if (batch_has_added(&b, c))
        (void)batch_send(c->clients, &b);
    vault_wipe(&vault);
}

void client_move_soon(struct client *c)
{
    struct moving *m = c->clients->moving;

    if (!deadline_is_set(&m->again))
        deadline_set(c->clients->loop, &m->again, AGAIN_MS);
}

/* What cannot move ends as soon as it can be told so. */
static void prepare(struct client *c)
{
    if (c->h2 != NULL)
        h2_client_drain(c);
    else if (c->incoming != NULL && !client_moves(c))
        c->incoming->closes = true;
}

void clients_hand_over(struct clients *clients, int socket, bool takes_tls)
{
    struct moving *m = mem_zalloc(sizeof *m);

    m->clients = clients;
    m->socket = socket;
    m->takes_tls = takes_tls;
    deadline_init(&m->again, on_again);
    clients->moving = m;
    clients->is_draining = true;
    if (vault.bytes == NULL && !vault_open(&vault, MESSAGE_BYTES)) { /* all end with an answer */
        clients_drain(clients);
        return;
    }
    clients_each(clients, prepare);
    move_all(clients);
}

void clients_stop_moving(struct clients *clients)
{
    if (clients->moving != NULL)
        stop_moving(clients);
}

/* --- in --- */

static bool take(struct slice *rest, size_t length, void *out, size_t room)
{
    if (length > rest->length)
        return false;
    memset(out, 0, room);
    memcpy(out, rest->start, length < room ? length : room);
    *rest = slice_from(*rest, length);
    return true;
}

static bool take_record(struct slice *rest, const struct message_head *head, struct moved *moved,
                        struct slice *tls)
{
    uint32_t bytes = 0;

    *tls = (struct slice){"", 0};
    if (!take(rest, head->record_bytes, moved, sizeof *moved) || head->format == FORMAT)
        return head->format == FORMAT;
    if (head->format != FORMAT_TLS || !take(rest, sizeof bytes, &bytes, sizeof bytes) ||
        bytes > rest->length)
        return false;
    *tls = (struct slice){rest->start, bytes};
    *rest = slice_from(*rest, bytes);
    return true;
}

static void take_message(struct clients *clients, struct slice text, const int *fds, unsigned count,
                         const struct listener *listeners, unsigned listeners_count)
{
    struct message_head head = {0};
    bool is_good = take(&text, sizeof head, &head, sizeof head);

    for (unsigned i = 0; i < count; i++) {
        struct moved moved;
        struct slice tls;

        is_good = is_good && take_record(&text, &head, &moved, &tls);
        if (!is_good || moved.listener >= listeners_count) {
            close(fds[i]);
            continue;
        }
        client_arrive(clients, &listeners[moved.listener], fds[i],
                      &(struct arrival){.peer = moved.peer,
                                        .age_ms = moved.age_ms,
                                        .has_served = moved.flags & MOVED_HAS_SERVED,
                                        .is_nameless = moved.flags & MOVED_IS_NAMELESS,
                                        .is_introduced = moved.flags & MOVED_IS_INTRODUCED,
                                        .tls = tls});
    }
}

bool clients_take_over(struct clients *clients, int socket, const struct listener *listeners,
                       unsigned count)
{
    int fds[PASSING_MOST];
    unsigned have;
    ssize_t length;
    char *room;

    if (vault.bytes == NULL && !vault_open(&vault, MESSAGE_BYTES))
        return false;
    room = vault_reserve(&vault, MESSAGE_BYTES);
    length = passing_receive(socket, room, MESSAGE_BYTES, fds, &have);
    if (length != -EAGAIN)
        take_message(clients, (struct slice){room, length > 0 ? (size_t)length : 0}, fds, have,
                     listeners, count);
    vault_wipe(&vault);
    return length > 0 || length == -EAGAIN;
}
