/*
 * A turn, and who runs each part of it:
 *
 *   libuv         waits, then has streams and listeners handle what is ready
 *   after_wait    what was deferred in the outbox goes out, deadlines pass, deferred events run
 *   libuv         reports what was closed
 *   before_wait   deferred events run, what they deferred in the outbox goes out, on_turn
 *
 * Deadlines pass after what is ready is handled, by the time at which the wait ended: after a turn
 * that took long an answer that has arrived in time is still in time. The same holds after the
 * whole process stood still: that interrupts the wait, which then has not looked at what is ready,
 * so deadlines that are late by as much pass after another look.
 *
 * Most connections are closed by a deferred event. It runs before libuv reports what was closed, or
 * else that would be reported in another turn, which begins with a wait of no length.
 */
#include "net/loop.h"

#include "base/check.h"
#include "base/mem.h"

enum { OVERSLEPT_MS = 20 };

static void on_no_wait(uv_idle_t *idle)
{
    (void)idle; /* that it is active is enough */
}

/* Runs the events that are there now. What they defer runs later, at last after the next look at
 * what is ready, so that nobody can keep the loop busy alone. */
static void loop_run_deferred(struct loop *loop)
{
    struct list_node batch;

    list_init(&batch);
    list_move_all(&batch, &loop->deferred);
    while (!list_is_empty(&batch)) {
        struct deferred *d = list_entry(batch.next, struct deferred, node);

        list_remove(&d->node);
        d->run(d);
        loop_end_event(loop);
    }
}

/* Was the wait interrupted? Libuv does not say, but such a wait ends late and reports nothing. */
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
        loop_end_event(loop);
    }
}

static void on_after_wait(uv_check_t *check)
{
    struct loop *loop = check->data;

    outbox_send_all_deferred(&loop->outbox);
    loop->looks_again = !loop->looks_again && loop_has_overslept(loop);
    if (!loop->looks_again)
        loop_pass_deadlines(loop);
    if ((mem_is_full() || loop->lacks_memory) && loop->on_memory_full != NULL)
        loop->on_memory_full(loop);
    loop->lacks_memory = false;
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
    outbox_send_all_deferred(&loop->outbox);
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
    loop->work_us = 0;
    loop->event_us = 0;
}

/* From its first stream on libuv keeps a spare descriptor for when there are none left. It gets it
 * here, while there are some: so what a process holds at rest does not grow with a connection. */
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
    memset(loop, 0, offsetof(struct loop, outbox.bytes));
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
    outbox_dispose(&loop->outbox);
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
