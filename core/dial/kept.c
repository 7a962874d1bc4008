#include "dial/kept.h"

#include "base/mem.h"
#include "net/deadline.h"

#include <string.h>

struct kept {
    struct list_node node;
    struct link *link;
    struct address to;
    uint64_t since_ms; /* by the loop's clock */
    struct deadline idle;
};

static struct list_node all = {&all, &all}; /* the link that has rested least is first */

/* Its link is the caller's. */
static struct link *kept_free(struct kept *k)
{
    struct link *link = k->link;

    list_remove(&k->node);
    deadline_clear(&k->idle);
    mem_free(k);
    return link;
}

static void kept_close(struct kept *k)
{
    link_close(kept_free(k));
}

static void on_idle(struct deadline *d)
{
    kept_close(list_entry(d, struct kept, idle));
}

/* Nobody has asked for anything: the next answer could be another's. */
static void on_bytes(struct stream *s, struct slice bytes)
{
    (void)bytes;
    kept_close(link_of(s)->owner);
}

static void on_end(struct stream *s, int status)
{
    (void)status;
    kept_close(link_of(s)->owner);
}

static const struct stream_events link_events = {
    .on_bytes = on_bytes,
    .on_end = on_end,
    .on_closed = link_on_closed,
};

struct link *kept_take(const struct address *to, const struct secured *secured,
                       uint64_t rested_ms_max)
{
    struct list_node *node = all.next;

    while (node != &all) {
        struct kept *k = list_entry(node, struct kept, node);
        uint64_t now_ms = loop_now_ms(k->link->stream.loop);

        node = node->next;
        if (k->to.kind != to->kind || k->to.port != to->port || strcmp(k->to.host, to->host) != 0 ||
            k->link->secured != secured || now_ms > k->since_ms + rested_ms_max)
            continue;
        if (!stream_is_stale(&k->link->stream))
            return kept_free(k);
        kept_close(k);
    }
    return NULL;
}

void kept_put(struct link *link, const struct address *to)
{
    struct loop *loop = link->stream.loop;
    struct kept *k;

    if (loop_now_ms(loop) > link->opened_ms + KEPT_AGE_MS) {
        link_close(link);
        return;
    }
    k = mem_zalloc(sizeof *k);
    k->link = link;
    k->to = *to;
    k->since_ms = loop_now_ms(loop);
    deadline_init(&k->idle, on_idle);
    deadline_set(loop, &k->idle, KEPT_IDLE_MS);
    list_prepend(&all, &k->node);
    link->owner = k;
    link->stream.events = &link_events;
    links_wake(loop);
}

bool kept_is_there(void)
{
    return !list_is_empty(&all);
}

bool kept_give_up(void)
{
    if (!kept_is_there())
        return false;
    kept_close(list_entry(all.previous, struct kept, node));
    return true;
}

void kept_close_all(void)
{
    while (kept_give_up())
        ;
}
