/*
 *   start --name--> looking up --addresses--> trying --open--> ready
 *     |                 |                      |  ^ |
 *     `--address--------|----------------------'  `-' refused, too late: the next one
 *                       `--- no such name, too late --> failed
 *
 * A kept link is looked for at the start, and again when a place is free.
 */
#include "dial/dial.h"

#include "base/mem.h"
#include "dial/kept.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { LOOKUPS_MAX = 64 }; /* a name that hangs keeps its lookup until it is answered */

struct lookup { /* frees itself when it is over, whether anybody waits or not */
    struct resolve resolve;
    struct list_node node;    /* in lookups */
    struct list_node waiting; /* dials */
    char host[sizeof((struct address *)0)->host];
};

static struct list_node lookups = {&lookups, &lookups}; /* one process has one loop */
static unsigned lookups_count;
static struct opening_account openings; /* of all scripts, wherever to */

bool dial_is_resolving(void)
{
    return lookups_count > 0;
}

/* --- endings --- */

void dial_say_why(char why[DIAL_WHY_BYTES], const char *kind, const char *format, ...)
{
    int length = snprintf(why, DIAL_WHY_BYTES, "%s: ", kind);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(why + length, (size_t)(DIAL_WHY_BYTES - length), format, arguments);
    va_end(arguments);
}

static void dial_stop(struct dial *d)
{
    d->lookup = NULL;
    list_remove(&d->waiting);
    list_remove(&d->place.node);
    secured_release(d->secured);
    d->secured = NULL;
    deadline_clear(&d->limit);
    deferred_cancel(&d->soon);
}

void dial_cancel(struct dial *d)
{
    dial_stop(d);
    opening_stop(&d->opening);
}

static void dial_fail(struct dial *d)
{
    dial_cancel(d);
    d->on_failed(d);
}

/* "redis:6379", "[::1]:80", "unix:/run/redis.sock" */
static void dial_explain(struct dial *d, const char *kind, const char *what)
{
    const struct address *to = &d->to;
    bool is_v6 = to->kind == ADDRESS_IP && to->socket.any.sa_family == AF_INET6;

    if (to->kind == ADDRESS_UNIX)
        dial_say_why(d->why, kind, "unix:%s: %s", to->host, what);
    else
        dial_say_why(d->why, kind, "%s%s%s:%u: %s", is_v6 ? "[" : "", to->host, is_v6 ? "]" : "",
                     to->port, what);
}

static void dial_explain_timeout(struct dial *d, const char *what)
{
    char text[96];

    snprintf(text, sizeof text, "%s took more than %g s", what, (double)d->timeout_ms / 1000);
    dial_explain(d, "timeout", text);
}

/* --- connecting --- */

static void dial_try(struct dial *d);

static void dial_try_next(struct dial *d)
{
    opening_stop(&d->opening);
    if (d->next < d->count && loop_now_ms(d->loop) < d->until_ms)
        dial_try(d);
    else
        dial_fail(d);
}

static void dial_take(struct dial *d, struct link *link)
{
    opening_won(&d->opening, link);
    dial_stop(d);
    d->on_ready(d, link);
}

static void on_connected(struct stream *s, int status)
{
    struct link *link = link_of(s);
    struct dial *d = link->owner;

    if (status == 0 && link->secured != NULL) {
        opening_settle(&d->opening, link);
        link_secure(link);
    } else if (status == 0) {
        dial_take(d, link);
    } else if (opening_lost(&d->opening, link, status)) {
        dial_explain(d, "connect", uv_strerror(status));
        dial_try_next(d);
    }
}

static void on_secured(struct stream *s, enum tls_refusal refusal)
{
    struct link *link = link_of(s);
    struct dial *d = link->owner;

    if (refusal == TLS_REFUSED_NOT) {
        dial_take(d, link);
        return;
    }
    if (refusal == TLS_REFUSED_MEMORY)
        dial_explain(d, "connect", uv_strerror(UV_ENOMEM));
    else
        dial_explain(d, "tls", s->tls->why);
    if (opening_lost(&d->opening, link, UV_EPROTO))
        dial_try_next(d);
}

static const struct stream_events opening_events = {
    .on_connected = on_connected,
    .on_secured = on_secured,
    .on_closed = link_on_closed,
};

static int dial_begin(struct opening *opening, void **connection)
{
    struct dial *d = list_entry(opening, struct dial, opening);
    struct link *link;
    int status;

    if (links_are_full())
        return UV_EMFILE;
    status = link_open(&link, d->loop, opening->to, d->secured, &opening_events, d);
    *connection = link;
    return status;
}

static void dial_close(void *connection)
{
    link_close(connection);
}

static const struct opening_kind dial_kind = {.begin = dial_begin, .close = dial_close};

static const struct sockaddr *dial_next_address(struct dial *d)
{
    if (d->to.kind != ADDRESS_NAME) {
        d->next++;
        return &d->to.socket.any;
    }
    return (const struct sockaddr *)&d->found[d->next++];
}

/* Has it found one? Then it is over. */
static bool dial_takes_kept(struct dial *d)
{
    struct link *link =
        d->rested_ms_max > 0 ? kept_take(&d->to, d->secured, d->rested_ms_max) : NULL;

    if (link == NULL)
        return false;
    d->was_kept = true;
    dial_stop(d);
    d->on_ready(d, link);
    return true;
}

static void on_room(struct links_waiter *waiter)
{
    struct dial *d = list_entry(waiter, struct dial, place);

    if (!dial_takes_kept(d))
        dial_try(d);
}

static void dial_try(struct dial *d)
{
    uint64_t now_ms = loop_now_ms(d->loop);
    uint64_t left_ms = d->until_ms > now_ms ? d->until_ms - now_ms : 0;
    uint64_t share_ms = left_ms / (d->count - d->next);
    int status;

    if (links_are_full() && !kept_give_up()) {
        dial_say_why(d->why, "limit",
                     "%u connections of scripts are open in this worker (script.connections)",
                     links_limit());
        if (d->waits && left_ms > 0) {
            deadline_set(d->loop, &d->limit, left_ms);
            links_wait(&d->place);
        } else {
            d->next = d->count;
            loop_defer(d->loop, &d->soon);
        }
        return;
    }
    deadline_set(d->loop, &d->limit, share_ms > 0 ? share_ms : 1);
    status = opening_start(&d->opening, d->loop, dial_next_address(d), &openings, share_ms);
    if (status != 0) {
        dial_explain(d, "connect", uv_strerror(status));
        loop_defer(d->loop, &d->soon);
    }
}

static void on_limit(struct deadline *deadline)
{
    struct dial *d = list_entry(deadline, struct dial, limit);

    if (d->lookup != NULL) {
        dial_explain_timeout(d, "looking up the name");
        dial_fail(d);
    } else if (list_has_node(&d->place.node)) {
        dial_fail(d); /* it has said why */
    } else {
        dial_explain_timeout(d, "connecting");
        dial_try_next(d);
    }
}

/* --- looking up --- */

static void dial_take_addresses(struct dial *d, const struct sockaddr_in6 *addresses,
                                unsigned count, int code)
{
    d->lookup = NULL;
    if (code != 0) {
        dial_explain(d, "resolve", uv_strerror(code));
        dial_fail(d);
        return;
    }
    d->count = count;
    memcpy(d->found, addresses, count * sizeof *addresses);
    for (unsigned i = 0; i < count; i++)
        address_set_port((struct sockaddr *)&d->found[i], d->to.port);
    dial_try(d);
}

static void on_resolved(struct resolve *r, const struct sockaddr_in6 *addresses, unsigned count,
                        int code)
{
    struct lookup *lookup = list_entry(r, struct lookup, resolve);

    list_remove(&lookup->node);
    lookups_count--;
    while (!list_is_empty(&lookup->waiting)) {
        struct dial *d = list_entry(lookup->waiting.next, struct dial, waiting);

        list_remove(&d->waiting);
        dial_take_addresses(d, addresses, count, code);
    }
    mem_free(lookup);
}

/* A name that hangs keeps a thread of libuv's, which lets lookups have half of them. They are
 * made at the first lookup. */
static void ask_for_threads(void)
{
    static bool has_asked;

    if (!has_asked)
        setenv("UV_THREADPOOL_SIZE", "16", 0);
    has_asked = true;
}

static int lookup_start(struct lookup **out, struct loop *loop, const struct address *to)
{
    struct lookup *lookup;
    int status;

    if (lookups_count >= LOOKUPS_MAX)
        return UV_EAI_AGAIN;
    ask_for_threads();
    lookup = mem_zalloc(sizeof *lookup);
    list_init(&lookup->waiting);
    memcpy(lookup->host, to->host, sizeof lookup->host);
    lookup->resolve.on_resolved = on_resolved;
    status = resolve_start(&lookup->resolve, loop, lookup->host, to->port);
    if (status != 0) {
        mem_free(lookup);
        return status;
    }
    list_append(&lookups, &lookup->node);
    lookups_count++;
    *out = lookup;
    return 0;
}

static struct lookup *lookup_under_way(const struct address *to)
{
    for (struct list_node *i = lookups.next; i != &lookups; i = i->next) {
        struct lookup *lookup = list_entry(i, struct lookup, node);

        if (strcmp(lookup->host, to->host) == 0)
            return lookup;
    }
    return NULL;
}

static void dial_look_up(struct dial *d)
{
    int status = 0;

    d->lookup = lookup_under_way(&d->to);
    if (d->lookup == NULL)
        status = lookup_start(&d->lookup, d->loop, &d->to);
    if (status != 0) {
        dial_explain(d, "resolve", uv_strerror(status));
        loop_defer(d->loop, &d->soon);
        return;
    }
    list_append(&d->lookup->waiting, &d->waiting);
    deadline_set(d->loop, &d->limit, d->timeout_ms);
}

static void dial_begin_anew(struct dial *d)
{
    if (d->to.kind == ADDRESS_NAME)
        dial_look_up(d);
    else
        dial_try(d);
}

/* False: d->why says why not. */
static bool dial_secure(struct dial *d)
{
    const char *why;

    if (d->wish == NULL)
        return true;
    d->secured = secured_use(d->wish, loop_now_ms(d->loop), &why);
    loop_note_work(d->loop);
    if (d->secured == NULL)
        dial_say_why(d->why, "tls", "%s", why);
    return d->secured != NULL;
}

static void on_soon(struct deferred *deferred)
{
    struct dial *d = list_entry(deferred, struct dial, soon);

    if (d->begins) {
        d->begins = false;
        if (!dial_secure(d))
            dial_fail(d);
        else if (!dial_takes_kept(d))
            dial_begin_anew(d);
    } else if (d->count == 0)
        dial_fail(d);
    else
        dial_try_next(d);
}

/* --- for the owner --- */

void dial_init(struct dial *d, struct loop *loop)
{
    d->loop = loop;
    d->lookup = NULL;
    d->wish = NULL;
    d->secured = NULL;
    d->place.on_room = on_room;
    list_init(&d->place.node);
    opening_init(&d->opening, &dial_kind);
    list_init(&d->waiting);
    deadline_init(&d->limit, on_limit);
    deferred_init(&d->soon, on_soon);
}

void dial_start(struct dial *d, const struct address *to, uint64_t timeout_ms)
{
    d->to = *to;
    d->timeout_ms = timeout_ms;
    d->until_ms = loop_now_ms(d->loop) + timeout_ms;
    d->next = 0;
    d->count = to->kind == ADDRESS_NAME ? 0 : 1;
    d->why[0] = '\0';
    d->was_kept = d->place.was_woken = false;
    d->begins = d->rested_ms_max > 0 || d->wish != NULL;
    if (d->begins)
        loop_defer(d->loop, &d->soon);
    else
        dial_begin_anew(d);
}
