/*
 * loop - one event loop per process, with what its connections share: deadlines, an outbox, one
 * pipe, one read buffer.
 *
 * A deferred event runs before the loop waits again, never inside the call that asked;
 * so an object may report its end to its owner without the owner being on the stack.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "base/clock.h"
#include "base/list.h"
#include "net/outbox.h"
#include "net/splice.h"
#include "net/wheel.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum {
    LOOP_READ_BYTES = 65536,
    LOOP_TIGHT_BYTES = 4096, /* read at once while memory is tight (base/mem.h) */
};

struct loop {
    uv_loop_t uv;
    uv_check_t after_wait;    /* passes deadlines */
    uv_prepare_t before_wait; /* runs deferred events and on_turn */
    uv_idle_t no_wait;        /* active while something deferred must not wait */
    uv_timer_t wheel_timer;
    struct wheel wheel;
    uint64_t armed_for_ms;  /* when wheel_timer wakes the loop */
    uint64_t event_us;      /* the steady clock in the running event; 0: nobody has read it */
    uint64_t noted_ms;      /* the steady clock when it was read last */
    bool looks_again;       /* the wait was interrupted: deadlines pass after the next one */
    uint64_t polls;         /* polls begun so far */
    uint32_t events;        /* since the last poll began */
    uint32_t events_before; /* between the two polls before */
    uint64_t work_us;       /* since the last poll began: see loop_note_work */
    struct list_node deferred;
    struct splice splice;
    char *read_buffer; /* one for all connections: consumed before the next read */
    void *owner;
    void (*on_turn)(struct loop *); /* before each wait; NULL is fine */
    /* Memory is full: comes after each wait, and nothing is read until there is room. NULL is fine
     * in a process without marks (base/mem.h). */
    void (*on_memory_full)(struct loop *);
    bool lacks_memory; /* on_memory_full is to come though it is not full */
    /* Grows with each event, as a turn with many events may take long. NULL is fine. */
    _Atomic uint64_t *pulse;
    struct outbox outbox; /* the last: most of it is never written, and takes no memory then */
};

struct deferred {
    struct list_node node;
    void (*run)(struct deferred *);
};

void loop_count_memory(void); /* libuv's is mem's; before anything else of it is used */
void loop_init(struct loop *);
/* Closes what the loop itself owns. Everything else must have been closed; runs
 * the loop until all close events are over. */
void loop_dispose(struct loop *);
void loop_run(struct loop *); /* returns after loop_stop */
void loop_stop(struct loop *);

static inline uint64_t loop_now_ms(const struct loop *loop) /* steady clock, cached for the turn */
{
    return uv_now(&loop->uv);
}

/* The time of the running event by the steady clock, which is read once in it. After something that
 * took long the time cached for the turn must not make the deadlines that are set now pass early:
 * hence noted_ms. */
static inline uint64_t loop_event_us(struct loop *loop)
{
    if (loop->event_us == 0) {
        loop->event_us = clock_steady_us();
        loop->noted_ms = loop->event_us / 1000;
    }
    return loop->event_us;
}

/* The running event has done something that may have taken long: the clock is read again. */
static inline void loop_note_work(struct loop *loop)
{
    uint64_t before_us = loop->event_us;

    loop->event_us = 0;
    if (before_us != 0)
        loop->work_us += loop_event_us(loop) - before_us;
}

/* The number of the poll that reported the running event. A turn has one, and what runs after the
 * events of a turn still belongs to it. */
static inline uint64_t loop_poll(const struct loop *loop)
{
    return loop->polls;
}

/* For net/: another event begins. */
static inline void loop_note_event(struct loop *loop)
{
    loop->events++;
    loop->event_us = 0;
    if (loop->pulse != NULL) /* this process is the only writer */
        atomic_store_explicit(loop->pulse,
                              atomic_load_explicit(loop->pulse, memory_order_relaxed) + 1,
                              memory_order_relaxed);
}

/* An event is over: what it has added to the outbox goes out or is deferred. A handler of
 * one event in two parts may call it in between. */
static inline void loop_end_event(struct loop *loop)
{
    loop_note_event(loop);
    outbox_end_event(&loop->outbox);
}

void deferred_init(struct deferred *, void (*run)(struct deferred *));
void loop_defer(struct loop *, struct deferred *); /* once; a second call changes nothing */
void deferred_cancel(struct deferred *);           /* in any state */

#endif
