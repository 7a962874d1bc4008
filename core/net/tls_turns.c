#include "net/tls_turns.h"

enum { TURN_US = 2000 };

static void on_next(struct deferred *);

/* One process has one loop. */
static struct list_node waiting = {&waiting, &waiting};
static struct deferred next = {.node = {&next.node, &next.node}, .run = on_next};
static uint64_t turn, turn_us; /* the last turn, and how long its handshakes took */

static bool has_time(const struct loop *loop)
{
    return turn != loop_poll(loop) || turn_us < TURN_US;
}

bool tls_turns_have_time(const struct loop *loop)
{
    return list_is_empty(&waiting) && has_time(loop);
}

void tls_turns_note(struct loop *loop, uint64_t began_us)
{
    if (turn != loop_poll(loop))
        turn_us = 0;
    turn = loop_poll(loop);
    turn_us += clock_steady_us() - began_us;
    loop_note_work(loop);
}

void tls_turns_await(struct loop *loop, struct tls *t)
{
    t->loop = loop;
    list_append(&waiting, &t->turn);
    loop_defer(loop, &next);
}

static void on_next(struct deferred *d)
{
    while (!list_is_empty(&waiting)) {
        struct tls *t = list_entry(waiting.next, struct tls, turn);
        struct loop *loop = t->loop;

        if (!has_time(loop)) {
            loop_defer(loop, d);
            return;
        }
        list_remove(&t->turn);
        t->on_turn(t);
        loop_end_event(loop);
    }
}

void tls_turns_forget(void)
{
    deferred_cancel(&next);
}
