/*
 * links - those who wait for a connection of scripts (core/dial/link.c), and the loop's deferred
 * events alone: no socket, and turns that a spec makes.
 */
#include "net/loop.c"

#include "dial/link.c"

static struct loop loop;
static struct links_waiter waiters[3];
static struct deferred other, later;
static unsigned met[3], laters;

/* The first closes another connection, the second finds no place after all. */
static void on_place(struct links_waiter *waiter)
{
    unsigned i = (unsigned)(waiter - waiters);

    met[i]++;
    if (i == 0)
        links_wake(&loop);
    else if (i == 1 && met[i] == 1)
        links_wait(waiter);
}

static void on_later(struct deferred *unused)
{
    (void)unused;
    laters++;
}

/* Something else of the same turn closes a connection, too. */
static void on_other(struct deferred *unused)
{
    (void)unused;
    loop_defer(&loop, &later);
    links_wake(&loop);
}

void play_links_turn(void)
{
    loop_run_deferred(&loop);
}

/* One place is free, and three wait. */
void play_links_begin(void)
{
    list_init(&loop.deferred);
    for (unsigned i = 0; i < 3; i++) {
        waiters[i].on_room = on_place;
        links_wait(&waiters[i]);
    }
    deferred_init(&other, on_other);
    deferred_init(&later, on_later);
    links_wake(&loop);
    loop_defer(&loop, &other);
}

unsigned play_links_met(unsigned waiter)
{
    return met[waiter];
}

unsigned play_links_laters(void)
{
    return laters;
}
