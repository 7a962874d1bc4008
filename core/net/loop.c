/*
 * A turn: wait - handle what is ready - fire deadlines - run what was deferred - tell of
 * what was closed - then, before the next wait, run what that deferred and tell the owner.
 * Deadlines come after what is ready and by the time at which the wait ended: after a turn
 * that took long an answer that has arrived in time is still in time. So it is after the whole
 * process stood still: that interrupts the wait, which then has not looked at what is ready,
 * so deadlines that are late by as much come after another look.
 *
 * Most that is closed is closed by something deferred; that has to come before libuv tells
 * of it, or else it would be told in another turn, which begins with a wait of no length.
 */
#include "net/loop.h"

#include "base/check.h"
#include "base/mem.h"
#include "net/stream.h"

enum { OVERSLEPT_MS = 20 };

static void on_no_wait(uv_idle_t *idle)
{
    (void)idle; /* that it is active is enough */
}

/* Runs those that are there now; what they defer comes later, and in the end after the next
 * look at what is ready, so that nobody can keep the loop to himself. */
static void loop_run_deferred(struct loop *loop)
{
    struct list_node batch;

    list_init(&batch);
    list_move_all(&batch, &loop->deferred);
    while (!list_is_empty(&batch)) {
        struct deferred *d = list_entry(batch.next, struct deferred, node);

        list_remove(&d->node);
        d->run(d);
        stream_flush_gathered(loop);
    }
}

/* Is the wait one that was interrupted? Libuv does not say. It ends late, and tells of nothing. */
static bool loop_has_overslept(const struct loop *loop)
{
    return loop->events == 0 && loop->wheel.next_ms != UINT64_MAX &&
           loop_now_ms(loop) > loop->wheel.next_ms + OVERSLEPT_MS;
}

static void loop_pass_deadlines(struct loop *loop)
{
    uint64_t until_ms = loop_now_ms(loop);
    struct deadline *d;

    while ((d = wheel_pass(&loop->wheel, until_ms)) != NULL) {
        d->on_passed(d);
        stream_flush_gathered(loop);
    }
}

static void on_after_wait(uv_check_t *check)
{
    struct loop *loop = check->data;

    stream_write_held(loop);
    loop->looks_again = !loop->looks_again && loop_has_overslept(loop);
    if (!loop->looks_again)
        loop_pass_deadlines(loop);
    if (mem_is_full() && loop->on_memory_full != NULL)
        loop->on_memory_full(loop);
    loop_run_deferred(loop);
}

static void on_wake(uv_timer_t *timer)
{
    (void)timer; /* the turn that it begins does the work */
}

/* Sees to it that the loop wakes up for the next deadline. An early wake-up is harmless and a
 * rearmed timer is not free: only a later alarm than needed is moved. */
static void loop_arm(struct loop *loop)
{
    uint64_t next_ms = loop->wheel.next_ms;
    uint64_t now_ms = loop_now_ms(loop);

    if (next_ms == UINT64_MAX ||
        (uv_is_active((uv_handle_t *)&loop->wheel_timer) && loop->armed_for_ms <= next_ms))
        return;
    loop->armed_for_ms = next_ms;
    CHECK(uv_timer_start(&loop->wheel_timer, on_wake, next_ms > now_ms ? next_ms - now_ms : 0, 0) ==
          0);
}

static void on_before_wait(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;

    loop_run_deferred(loop);
    stream_write_held(loop);
    if (loop->on_turn != NULL)
        loop->on_turn(loop);
    if (list_is_empty(&loop->deferred) && !loop->looks_again)
        uv_idle_stop(&loop->no_wait);
    else
        uv_idle_start(&loop->no_wait, on_no_wait);
    loop_arm(loop);
    loop->polls++;
    loop->events_before = loop->events;
    loop->events = 0;
    loop->scripts_us = 0;
    loop->event_us = 0;
}

/* From its first stream on libuv keeps a descriptor for when there are no more. It has it from the
 * beginning, when there are some: what a process holds at rest does not grow with a connection. */
static void loop_keep_descriptor(struct loop *loop)
{
    uv_tcp_t first;

    CHECK(uv_tcp_init(&loop->uv, &first) == 0);
    uv_close((uv_handle_t *)&first, NULL);
    uv_run(&loop->uv, UV_RUN_NOWAIT); /* closes it: there is nothing else yet */
}

void loop_count_memory(void)
{
    CHECK(uv_replace_allocator(mem_alloc, mem_realloc, mem_zalloc_array, mem_free) == 0);
}

void loop_init(struct loop *loop)
{
    *loop = (struct loop){.on_turn = NULL};
    CHECK(uv_loop_init(&loop->uv) == 0);
    loop_keep_descriptor(loop);
    CHECK(uv_check_init(&loop->uv, &loop->after_wait) == 0);
    CHECK(uv_prepare_init(&loop->uv, &loop->before_wait) == 0);
    CHECK(uv_idle_init(&loop->uv, &loop->no_wait) == 0);
    CHECK(uv_timer_init(&loop->uv, &loop->wheel_timer) == 0);
    loop->after_wait.data = loop->before_wait.data = loop;
    list_init(&loop->deferred);
    wheel_init(&loop->wheel, loop_now_ms(loop));
    loop->read_buffer = mem_alloc(LOOP_READ_BYTES);
    CHECK(uv_check_start(&loop->after_wait, on_after_wait) == 0);
    CHECK(uv_prepare_start(&loop->before_wait, on_before_wait) == 0);
}

void loop_dispose(struct loop *loop)
{
    uv_close((uv_handle_t *)&loop->after_wait, NULL);
    uv_close((uv_handle_t *)&loop->before_wait, NULL);
    uv_close((uv_handle_t *)&loop->no_wait, NULL);
    uv_close((uv_handle_t *)&loop->wheel_timer, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop->uv) == 0);
    splice_dispose(&loop->splice);
    arena_dispose(&loop->gather.room);
    mem_free(loop->read_buffer);
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

void deferred_init(struct deferred *d, void (*run)(struct deferred *))
{
    list_init(&d->node);
    d->run = run;
}

void loop_defer(struct loop *loop, struct deferred *d)
{
    if (!list_has_node(&d->node))
        list_append(&loop->deferred, &d->node);
}

void deferred_cancel(struct deferred *d)
{
    list_remove(&d->node);
}
