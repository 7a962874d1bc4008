/*
 * h2 - a client's connection that speaks HTTP/2: each of its streams is an incoming (RFC 9113).
 *
 * For this folder. wire/h2 has the frames, the windows and the account of abuse; h2.c has what
 * becomes of the connection, and the files h2_* have what becomes of its streams. A connection
 * rests while no stream is there. A stream is there from its head until its exchange is over and
 * the client's system has the answer; its memory goes in a deferred event, never inside a call.
 */
#ifndef CLIENT_H2_H
#define CLIENT_H2_H

#include "base/buffer.h"
#include "client/client_inside.h"
#include "wire/h2.h"

struct client_h2 {
    struct h2 wire; /* its owner is the client */
    struct h2_kind kind;
    struct list_node streams; /* its struct client_streams */
    unsigned count;           /* of streams */
    struct deadline age;      /* limits.connection_age */
    uint64_t rests_until_ms;  /* loop's: when it ends unless a request begins before */
    uint64_t held_ms;         /* loop's: when the client was seen to send again, once bodies that */
    bool is_held;             /* wait had used up the window, as they have now */
    struct rate taken;        /* of what is queued while it lingers */
    bool is_in_head;          /* the client has sent a part of a head, and not its end */
    bool is_final;            /* the last GOAWAY went out: it ends with its last stream */
};

/* In one block of client/blocks.c, with the arena behind it. */
struct client_stream {
    struct incoming in;
    struct h2_stream stream;
    struct list_node node;    /* in the connection's streams */
    struct deadline deadline; /* for the next piece of the body, or until the client takes some */
    struct deferred resume;   /* the exchange is over, or wants what came early */
    struct buffer early;      /* of the body: what came while nobody wanted it */
    size_t owed;              /* bytes of it that were passed on, without new credit so far */
    uint64_t left;            /* of an answer whose length is known */
    size_t watched_bytes;     /* that waited for the client when it was looked at last */
    uint64_t sent_bytes;      /* of the whole connection then */
    bool is_paused;           /* the exchange wants no more of the body for now */
    bool is_closed;           /* in both directions: nothing that is sent goes out */
    bool is_counted;          /* the answer has a length, and */
    bool ends_counted;        /* ends with it: no trailers follow */
    bool asks_switch;         /* it is an extended CONNECT: what comes is for the tunnel alone */
    bool is_tunnel;
    bool has_end; /* behind what came early: the end of the body */
};

/* --- h2.c --- */

/* Is that the beginning of HTTP/2 (RFC 9113, 3.4)? */
enum h2_preface { H2_PREFACE_NOT, H2_PREFACE_PART, H2_PREFACE_WHOLE };
enum h2_preface h2_preface_in(struct slice first_bytes);

void h2_client_begin(struct client *); /* enters H2; what is read goes to h2_client_take */
void h2_client_take(struct client *, struct slice bytes);
void h2_client_drained(struct client *);
void h2_client_late(struct client *); /* its deadline has passed, in H2 or LINGERING */
/* It sends no more: what it has asked for whole is answered, unless it is gone. */
void h2_client_take_end(struct client *);
/* Two GOAWAYs: what is under way is answered, and what the client sends before it hears of it. */
void h2_client_drain(struct client *);
void h2_client_say_end(struct client *); /* GOAWAY leaves now; the caller closes */
/* Memory is full: half a head, or what the client does not take, is too much. It ends. */
void h2_client_fail_memory(struct client *);
void h2_client_lose(struct client *); /* it closes: all exchanges hear that the client is gone */
void h2_client_free(struct client *); /* it has closed */
void h2_client_note_cut(struct client *); /* it will be closed by us: draining took too long */
bool h2_client_rests(const struct client *);
void h2_client_note_stream(struct client *); /* the first is there, or the last has gone */

/* --- h2_stream.c --- */

static inline struct client_stream *client_stream_of(const struct incoming *in)
{
    return list_entry(in, struct client_stream, in);
}

static inline struct client_stream *client_stream_of_wire(struct h2_stream *stream)
{
    return list_entry(stream, struct client_stream, stream);
}

static inline struct loop *client_stream_loop(const struct client_stream *s)
{
    return s->in.client->clients->loop;
}

static inline uint64_t client_stream_now_ms(const struct client_stream *s)
{
    return loop_now_ms(client_stream_loop(s));
}

struct client_stream *client_stream_new(struct client *);
void client_stream_free(struct client_stream *);
/* Soon passes on what came early, or if its exchange is over, frees it when all has left. */
void client_stream_resume_later(struct client_stream *);
void client_stream_close(struct client_stream *, enum h2_code); /* by RST_STREAM; brings no event */
void client_stream_note_gone(struct client_stream *);           /* it is closed: on_gone */
void client_stream_take_reset(struct h2_stream *, const struct h2_reset *);
size_t client_stream_held_bytes(struct client_stream *); /* for client/relief.h */
void client_stream_end_request(struct client_stream *);  /* the same: memory is full */

/* --- h2_request.c --- */

/* A request that is no stream, as its head is not right or not complete: for the log. */
void client_stream_note_bad(struct client *, uint32_t id, enum incoming_fault, const char *text);
void client_stream_take_head(struct h2_stream *, const struct h2_head *);
void client_stream_take_body(struct h2_stream *, struct slice);
void client_stream_take_end(struct h2_stream *, const struct h2_head *trailers);
void client_stream_pass_early(struct client_stream *); /* what came early, and is wanted now */

/* --- h2_answer.c --- */

extern const struct incoming_ways client_stream_ways;

/* --- h2_watch.c --- */

void client_stream_watch(struct client_stream *);   /* sets the deadline that it needs, from now */
void client_stream_watch_answer(struct incoming *); /* incoming_watch */
void client_stream_on_deadline(struct deadline *);
void client_stream_take_drained(struct h2_stream *);
/* Behind a piece of its body: is that too little? The time does not count in which other bodies
 * have used up the window. */
bool client_stream_sends_too_slowly(struct client_stream *);

static inline void client_stream_fail_body(struct client_stream *s, enum incoming_fault fault,
                                           const char *text)
{
    s->in.events->on_body_failed(&s->in, fault, text);
}

#endif
