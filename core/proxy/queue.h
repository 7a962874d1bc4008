/*
 * queue - requests of a worker that wait for a place, as every backend that they may still go to
 * has max_in_flight.
 *
 * They wait in the order in which they came. When a backend has room, on_room of the first request
 * that found it full is called, which asks its policy again. The request keeps its place until it
 * leaves: if it finds nothing after all, it waits where it was. When what is available changes,
 * on_room of all is called. A later request overtakes none that waits for the same backend.
 *
 * A place may be given back in another worker: shared/queued.h. And as a worker may die with
 * places, or still have an older script, the queue looks by itself every QUEUE_LOOK_MS.
 */
#ifndef PROXY_QUEUE_H
#define PROXY_QUEUE_H

#include "proxy/choice.h"

struct queue { /* of one worker */
    struct loop *loop;
    struct segment *segment;
    unsigned worker;
    const struct list_node *plans; /* whose backends they may be */
    uint32_t count;
    struct list_node waiters; /* in order */
    struct deferred woken;
    struct deadline again;
};

struct waiter {                       /* embedded in what waits; all zero at first */
    void (*on_room)(struct waiter *); /* choose again; queue_wait or queue_leave follows */
    struct queue *queue;              /* NULL: it does not wait */
    struct list_node node;
    struct choice *choice; /* which of them were full */
    struct deadline late;
    uint64_t since_us;
    uint64_t generation; /* of what was available */
    bool was_called;     /* on_room was: it has not waited again or left yet */
    bool is_late;        /* its time is over: it does not wait again */
};

void queue_init(struct queue *, struct loop *, struct segment *, unsigned worker,
                const struct list_node *plans);            /* borrows */
bool queue_has_place(const struct queue *, uint64_t most); /* so many wait, over all workers */
/* Has an earlier waiter than this one (NULL: any) found this backend full? */
bool queue_is_before(const struct queue *, const struct waiter *, const struct backend *);
/* At the end of the queue, or where it is. on_room comes once more, at the latest after most_ms. */
void queue_wait(struct queue *, struct waiter *, struct choice *, uint64_t most_ms);
/* In any state. Gives how long it has waited, in us. */
uint64_t queue_leave(struct waiter *);
void queue_note_woken(struct queue *); /* by another worker, or by itself: looks soon */

#endif
