/*
 * loop - one event loop per process: deferred events, deadlines, one read buffer.
 *
 * A deferred event runs before the loop waits again, never inside the call that
 * asked; so an object may report its end to its owner without the owner being
 * on the stack.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/list.h"
#include "net/splice.h"
#include "net/wheel.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum {
    LOOP_READ_BYTES = 65536,
    LOOP_TIGHT_BYTES = 4096, /* read at once while memory is tight (base/mem.h) */
    GATHER_PARTS = 32,
    GATHER_SCRATCH = 512,
    GATHER_ROOM = 8192,
    HELD_STREAMS = 16,
    HELD_BYTES_EACH = 1024,
    POLL_EVENTS_SURE = 900, /* less than libuv asks for */
    POLL_SCRIPTS_US = 10000,
    POLL_FRESH_MS = 100,
};

struct stream;

/* What one stream is to write in one system call (net/stream.h, stream_add). */
struct gather {
    struct stream *stream;
    unsigned count;
    size_t scratch_used;
    uv_buf_t parts[GATHER_PARTS];
    char scratch[GATHER_SCRATCH];
    struct arena room; /* stream_room */
    char room_first[GATHER_ROOM];
};

/* What is to be written before the loop waits (net/stream.h, stream_send_soon), copied. */
struct held {
    unsigned count;
    struct stream *streams[HELD_STREAMS];
    size_t lengths[HELD_STREAMS];
    char bytes[HELD_STREAMS][HELD_BYTES_EACH];
};

struct loop {
    uv_loop_t uv;
    uv_check_t after_wait;    /* fires deadlines */
    uv_prepare_t before_wait; /* runs deferred events and on_turn */
    uv_idle_t no_wait;        /* active while something deferred must not wait */
    uv_timer_t wheel_timer;
    struct wheel wheel;
    uint64_t armed_for_ms; /* when wheel_timer wakes the loop */
    uint64_t event_us;     /* the steady clock in the running event; 0: nobody has looked at it */
    uint64_t noted_ms;     /* the same, when somebody last looked at it */
    bool looks_again; /* the wait did not look at what is ready: deadlines come after another */
    uint64_t polls;   /* for what is ready that have begun: see loop_poll */
    uint32_t events, events_before; /* since the last one began, and between the two before */
    uint64_t scripts_us;            /* that scripts took since the last one began */
    struct list_node deferred;
    struct gather gather;
    struct splice splice;
    struct held held;
    void (*on_turn)(struct loop *); /* before each wait; NULL is fine */
    /* Memory is full: nothing is read before that was looked after, after each wait. NULL is fine,
     * in a process without marks (base/mem.h). */
    void (*on_memory_full)(struct loop *);
    void *owner;
    /* Grows with each event; NULL is fine. Within one turn, too, which may take long where there are
     * many events and each takes a little. */
    _Atomic uint64_t *pulse;
    char *read_buffer; /* one for all connections: consumed before the next read */
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

/* The time of the running event by the steady clock, looked at once in it. After something that
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

/* A script has run, which may have taken long. */
static inline void loop_note_script(struct loop *loop)
{
    uint64_t before_us = loop->event_us;

    loop->event_us = 0;
    if (before_us != 0)
        loop->scripts_us += loop_event_us(loop) - before_us;
}

/* The number of the poll that told of the running event, or of the last one: a turn has one, and
 * what runs after the events of a turn still belongs to it. */
static inline uint64_t loop_poll(const struct loop *loop)
{
    return loop->polls;
}

/* Has that poll told of everything that was ready, and not long ago? Libuv asks for so many events
 * at once, and asks again in the same turn if it got them. What makes it old is scripts that took
 * long, or a process that stood still, by the steady clock. */
static inline bool loop_poll_is_fresh(const struct loop *loop, uint64_t now_us)
{
    return loop->events < POLL_EVENTS_SURE && loop->events_before < POLL_EVENTS_SURE &&
           loop->scripts_us < POLL_SCRIPTS_US && now_us / 1000 < loop_now_ms(loop) + POLL_FRESH_MS;
}

/* For net/: every event ends here. */
static inline void loop_note_event(struct loop *loop)
{
    loop->events++;
    loop->event_us = 0;
    if (loop->pulse != NULL) /* this process is the only writer */
        atomic_store_explicit(loop->pulse,
                              atomic_load_explicit(loop->pulse, memory_order_relaxed) + 1,
                              memory_order_relaxed);
}

void deferred_init(struct deferred *, void (*run)(struct deferred *));
void loop_defer(struct loop *, struct deferred *); /* once; a second call changes nothing */
void deferred_cancel(struct deferred *);           /* in any state */

#endif
