/*
 *   question  ---- ask ---->  query (c-ares has it until it calls back)  ----> on_query_over
 *      ^                         |  cancel: the question leaves it alone           |
 *      '------------------------ deferred, with the answer read -----------------'
 *
 * c-ares may call back inside the call that asks, so what it says is always put off.
 */
#define CARES_NO_DEPRECATED /* 1.34 calls ares_query deprecated; 1.18 has nothing else */
#include "dial/dns_channel.h"

#include "base/mem.h"
#include "net/address.h"
#include "net/deadline.h"
#include "net/watch.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <sys/time.h>

struct dns_channel {
    ares_channel ares; /* NULL: the system gave none */
    struct loop *loop;
    struct list_node sockets;
    struct deadline timeout; /* the next of c-ares' own */
};

struct dns_socket {
    struct list_node node; /* in its channel */
    struct dns_channel *channel;
    struct watch watch;
};

struct dns_query {
    struct dns_question *asked_by; /* NULL: nobody waits for it any more */
    enum dns_type type;
    char name[];
};

/* --- the sockets and the clock of c-ares --- */

static void channel_arm(struct dns_channel *c)
{
    struct timeval next, *wait = ares_timeout(c->ares, NULL, &next);

    if (wait == NULL)
        deadline_clear(&c->timeout);
    else
        deadline_set(c->loop, &c->timeout,
                     (uint64_t)wait->tv_sec * 1000 + (uint64_t)wait->tv_usec / 1000 + 1);
}

static void on_timeout(struct deadline *d)
{
    struct dns_channel *c = list_entry(d, struct dns_channel, timeout);

    ares_process_fd(c->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    channel_arm(c);
}

static void on_socket_ready(struct watch *w, int descriptor, bool to_read, bool to_write)
{
    struct dns_channel *c = list_entry(w, struct dns_socket, watch)->channel;

    ares_process_fd(c->ares, to_read ? descriptor : ARES_SOCKET_BAD,
                    to_write ? descriptor : ARES_SOCKET_BAD);
    channel_arm(c);
}

static struct dns_socket *find_socket(struct dns_channel *c, int descriptor)
{
    for (struct list_node *n = c->sockets.next; n != &c->sockets; n = n->next) {
        struct dns_socket *s = list_entry(n, struct dns_socket, node);

        if (s->watch.descriptor == descriptor)
            return s;
    }
    return NULL;
}

static struct dns_socket *add_socket(struct dns_channel *c, int descriptor)
{
    struct dns_socket *s = mem_zalloc(sizeof *s);

    s->channel = c;
    s->watch.on_ready = on_socket_ready;
    s->watch.descriptor = descriptor;
    list_append(&c->sockets, &s->node);
    return s;
}

static void remove_socket(struct dns_socket *s)
{
    watch_stop(&s->watch);
    list_remove(&s->node);
    mem_free(s);
}

/* c-ares says so before it closes a socket, too: then it wants neither. If the kernel refuses to
 * watch one, the questions there time out. */
static void on_socket_state(void *owner, ares_socket_t descriptor, int to_read, int to_write)
{
    struct dns_channel *c = owner;
    struct dns_socket *s = find_socket(c, descriptor);

    if (to_read == 0 && to_write == 0) {
        if (s != NULL)
            remove_socket(s);
        return;
    }
    if (s == NULL)
        s = add_socket(c, descriptor);
    if (watch_set(&s->watch, c->loop, descriptor, to_read != 0, to_write != 0) < 0)
        remove_socket(s);
}

/* --- one server --- */

static bool set_server(ares_channel ares, const struct sockaddr *server)
{
    struct ares_addr_port_node one = {.family = server->sa_family};

    one.udp_port = one.tcp_port = address_port(server);
    if (server->sa_family == AF_INET6)
        memcpy(&one.addr, &((const struct sockaddr_in6 *)(const void *)server)->sin6_addr, 16);
    else
        memcpy(&one.addr, &((const struct sockaddr_in *)(const void *)server)->sin_addr, 4);
    return ares_set_servers_ports(ares, &one) == ARES_SUCCESS;
}

/* One try each: who is asked next, and how often, dial/dns.c decides, by the same rules with each
 * release of c-ares. So are the server's own words passed on (NOCHECKRESP), and answers not kept:
 * 1.34 would keep them as long as their TTL says, whatever the settings say. */
static ares_channel begin_ares(struct dns_channel *c, const struct sockaddr *server,
                               uint64_t timeout_ms)
{
    char lookups[] = "b", nothing[] = "/dev/null";
    struct ares_options options = {
        .flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
        .timeout = (int)timeout_ms,
        .tries = 1,
        .lookups = lookups,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = c,
        .resolvconf_path = nothing,
    };
    int set = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
              ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF;
    ares_channel ares;

#ifdef ARES_OPT_QUERY_CACHE
    set |= ARES_OPT_QUERY_CACHE; /* for 0 s */
#endif
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS ||
        ares_init_options(&ares, &options, set) != ARES_SUCCESS)
        return NULL;
    if (set_server(ares, server))
        return ares;
    ares_destroy(ares);
    return NULL;
}

struct dns_channel *dns_channel_new(struct loop *loop, const struct sockaddr *server,
                                    uint64_t timeout_ms)
{
    struct dns_channel *c = mem_zalloc(sizeof *c);

    c->loop = loop;
    list_init(&c->sockets);
    deadline_init(&c->timeout, on_timeout);
    c->ares = begin_ares(c, server, timeout_ms);
    return c;
}

void dns_channel_free(struct dns_channel *c)
{
    if (c->ares != NULL)
        ares_destroy(c->ares); /* it ends what is under way, and says of each socket that it goes */
    while (!list_is_empty(&c->sockets))
        remove_socket(list_entry(c->sockets.next, struct dns_socket, node));
    deadline_clear(&c->timeout);
    mem_free(c);
}

/* --- questions --- */

static enum dns_outcome outcome_of(int status)
{
    switch (status) {
    case ARES_ETIMEOUT:
        return DNS_TIMED_OUT;
    case ARES_EBADNAME:
        return DNS_BAD_NAME;
    case ARES_EBADRESP:
    case ARES_EFORMERR:
        return DNS_GARBAGE;
    default:
        return DNS_UNREACHABLE;
    }
}

static void on_query_over(void *argument, int status, int timeouts, unsigned char *bytes,
                          int length)
{
    struct dns_query *query = argument;
    struct dns_question *q = query->asked_by;

    (void)timeouts;
    if (q != NULL) {
        if (bytes != NULL && length > 0)
            dns_answer_read(&q->answer, bytes, (size_t)length, query->name, query->type);
        else
            q->answer = (struct dns_answer){.outcome = outcome_of(status)};
        q->query = NULL;
        loop_defer(q->loop, &q->soon);
    }
    mem_free(query);
}

static void on_soon(struct deferred *d)
{
    struct dns_question *q = list_entry(d, struct dns_question, soon);

    q->on_answered(q);
}

static struct dns_query *query_new(struct dns_question *q, const char *name, enum dns_type type)
{
    size_t bytes = strlen(name) + 1;
    struct dns_query *query = mem_alloc(sizeof *query + bytes);

    query->asked_by = q;
    query->type = type;
    memcpy(query->name, name, bytes);
    return query;
}

void dns_question_ask(struct dns_question *q, struct dns_channel *c, const char *name,
                      enum dns_type type)
{
    q->loop = c->loop;
    deferred_init(&q->soon, on_soon);
    q->answer = (struct dns_answer){.outcome = DNS_UNREACHABLE};
    if (c->ares == NULL) {
        loop_defer(q->loop, &q->soon);
        return;
    }
    q->query = query_new(q, name, type);
    ares_query(c->ares, name, ns_c_in, (int)type, on_query_over, q->query);
    channel_arm(c);
}

void dns_question_cancel(struct dns_question *q)
{
    if (q->loop == NULL)
        return; /* it has never asked */
    if (q->query != NULL)
        q->query->asked_by = NULL;
    q->query = NULL;
    deferred_cancel(&q->soon);
    dns_answer_dispose(&q->answer);
}
