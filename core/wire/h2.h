/*
 * h2 - one connection of HTTP/2, of either role, over a net/stream (RFC 9113).
 *
 * It reads and writes frames: preface, SETTINGS, PING, GOAWAY, streams and their states, windows in
 * both directions, DATA of all streams in turn, and the account of abuse. It knows no exchange. A
 * head crosses as the lines that HTTP/1.1 has for it, so that one set of rules reads and writes it:
 *
 *   the socket --h2_feed--> h2 --on_open, on_head, on_body, on_end, on_reset--> the owner
 *              <--------stream_add-- h2 <--h2_send_head, _body, _end, h2_reset-- of the connection
 *
 * The owner has the net/stream and its events, and embeds a struct h2 in its connection and a
 * struct h2_stream in each object that has a stream. It hands in what was read (h2_feed), says when
 * the socket takes bytes again (h2_drained), and when the connection has ended (h2_lose). h2 itself
 * pauses the stream, and reads it again, while a peer asks for replies and does not read them.
 * Nobody else should pause it: windows hold back a sender.
 *
 * Events come inside h2_feed, h2_drained and h2_lose only. Inside any event all calls are fine, and
 * h2_lose and then stream_close, too; but struct h2 must stay until the call that brought the event
 * has returned: free it in the on_closed of its net/stream.
 *
 * A stream of a client counts as open until its owner releases it, not until a frame ends it: work
 * that a peer can make us begin is bounded by that (CVE-2023-44487, CVE-2025-8671).
 */
#ifndef WIRE_H2_H
#define WIRE_H2_H

#include "base/buffer.h"
#include "base/list.h"
#include "http/h2_fields.h"
#include "http/h2_rules.h"
#include "net/stream.h"

struct h2;
struct h2_stream;

enum { H2_PREFACE_BYTES = 24 };

/* Why a stream ended early. */
enum h2_cause {
    H2_BY_PEER,   /* RST_STREAM came */
    H2_BY_RULE,   /* the peer broke a rule, and RST_STREAM went out; or its head was malformed */
    H2_BY_GOAWAY, /* the peer never began to work on it, and will not (RFC 9113, 6.8) */
    H2_BY_CONNECTION, /* h2_lose, or a fault that ends the connection */
};

struct h2_reset {
    enum h2_cause cause;
    enum h2_code code;
    const char *why; /* static text */
};

/* Without a comment "server" or "client" an event is for both roles. */
struct h2_events {
    /* server: a valid head has come; on_head follows at once. Gives the stream (zeros, or one that
     * was released), or NULL: the peer gets REFUSED_STREAM. */
    struct h2_stream *(*on_open)(struct h2 *);
    /* server: a head of a request is malformed: RST_STREAM follows. NULL: none. */
    void (*on_malformed)(struct h2 *, uint32_t stream, const char *why); /* static text */
    /* The head. client: interim ones, too; never a 101. */
    void (*on_head)(struct h2_stream *, const struct h2_head *);
    void (*on_body)(struct h2_stream *, struct slice); /* borrowed; not empty; h2_consumed counts */
    /* The message is complete. trailers: NULL, or lines as in a head, never is_large. After a head
     * with is_end it does not come. */
    void (*on_end)(struct h2_stream *, const struct h2_head *trailers);
    /* The stream is closed, in both directions: nothing that is sent there goes out. Release it. */
    void (*on_reset)(struct h2_stream *, const struct h2_reset *);
    void (*on_drained)(struct h2_stream *); /* h2_backlog was not 0, and is now */
    /* The peer takes no more streams; those that it never began had their on_reset. NULL: none. */
    void (*on_goaway)(struct h2 *, enum h2_code);
    /* client: the peer's SETTINGS have come: h2_may_open may be true. NULL: none. */
    void (*on_settings)(struct h2 *);
    void (*on_pong)(struct h2 *); /* of h2_ping. NULL is fine */
    /* server: the PING of h2_drain was answered, and the last GOAWAY went out: close when no stream
     * is left. NULL: none. */
    void (*on_final)(struct h2 *);
    /* The peer broke a rule of the connection, or was a burden (H2_ENHANCE_YOUR_CALM). GOAWAY went
     * out, all streams had their on_reset. Close behind what is queued: stream_finish or
     * stream_shutdown, then read and throw away for a moment, or a reset loses the GOAWAY. No event
     * comes after it, and h2_feed does nothing. why: static text. */
    void (*on_broken)(struct h2 *, enum h2_code, const char *why);
};

struct h2_kind { /* of connections; all that is constant for them */
    const struct h2_events *events;
    enum h2_role role;
    uint32_t streams;           /* of the peer at once (MAX_CONCURRENT_STREAMS); client: 0 */
    uint32_t stream_window;     /* bytes of a body without credit; not below 65,535 */
    uint32_t stream_window_top; /* of a stream that has used a whole window; not below the former */
    uint32_t connection_window; /* not below 65,535 */
    bool offers_connect;        /* server: extended CONNECT (RFC 8441) */
};

/* --- the connection --- */

enum { H2_BUCKETS = 16, H2_ENDED_KEPT = 8, H2_RESET_KEPT = 128 };

struct h2 { /* all of it is h2's, but for what the comments name */
    struct stream *stream;
    const struct h2_kind *kind;
    void *owner;       /* the owner's */
    uint32_t head_max; /* the owner's, at any time: bytes of the lines of a head (limits.head) */
    uint32_t open_streams; /* to be read: not released, or released with bytes that wait */
    uint64_t sent_bytes; /* to be read: of all bodies. It stands still if the peer takes nothing */
    bool is_draining;    /* to be read: GOAWAY went out, or came */
    bool has_settings;   /* to be read: the peer's have come */
    bool peer_has_connect; /* to be read. client: the peer takes extended CONNECT */
    uint8_t state;         /* an enum h2_state of wire/h2_inside.h */
    uint8_t preface_seen;  /* bytes */
    bool drains;           /* the first GOAWAY of two went out, */
    bool is_final;         /* and the last one, with last_taken */
    bool is_paused;        /* the peer does not read our replies */
    bool must_write;       /* a window has grown */
    uint8_t replies;       /* while the socket had a backlog */
    /* Of the head that has begun: */
    uint8_t continuations;
    bool head_ends;  /* END_STREAM */
    bool head_opens; /* a stream */
    bool depends_on_itself;
    uint8_t head_verdict;  /* an enum h2_verdict */
    uint32_t head_stream;  /* 0: none has begun */
    struct buffer block;   /* its bytes; empty if it is one frame */
    struct buffer partial; /* of the frame that has begun */
    /* Of the DATA frame that has begun: */
    bool data_ends;
    uint8_t padding;
    uint32_t data_left;
    uint32_t data_stream;                /* 0: it is ignored */
    uint32_t skip;                       /* bytes of a frame that are ignored */
    uint16_t abuse;                      /* what is left of the account, */
    uint16_t use;                        /* frames towards the next refill by use, */
    uint32_t refilled_s;                 /* and the last one by time */
    uint32_t granted;                    /* WINDOW_UPDATEs and PINGs that cost nothing */
    uint32_t refused;                    /* streams in a row */
    uint32_t last_peer;                  /* the highest stream of the peer's, */
    uint32_t last_own;                   /* of ours, */
    uint32_t last_taken;                 /* and of the peer's as the last GOAWAY says */
    uint32_t peer_streams;               /* its MAX_CONCURRENT_STREAMS */
    uint32_t heads_bytes;                /* of heads to which no answer has begun */
    int32_t peer_window;                 /* its INITIAL_WINDOW_SIZE */
    int32_t send_window, receive_window; /* of the connection */
    uint32_t credit;                     /* consumed, and the peer does not know yet */
    struct hpack_reader *reader;
    struct hpack_writer writer;
    struct list_node waiting; /* streams with bytes that wait, or whose owners do */
    struct h2_stream *buckets[H2_BUCKETS];
    uint32_t ended[H2_ENDED_KEPT], reset[H2_RESET_KEPT]; /* closed a moment ago */
    uint8_t ended_at, reset_at;
};

/* Begins: the preface and SETTINGS are added to the stream. Borrows all. What is read goes to
 * h2_feed from the first byte on: a server reads the preface there. head_max is to be set. */
void h2_begin(struct h2 *, struct stream *, const struct h2_kind *, void *owner, uint32_t head_max);
void h2_dispose(struct h2 *); /* all streams were released; it may be zeros */
void h2_feed(struct h2 *, struct slice bytes);
void h2_drained(struct h2 *); /* the net/stream's on_drained */
/* The connection has ended, breaks, or is about to be closed: each stream that was neither released
 * nor reset has its on_reset, and no other event comes any more. Nothing is sent. */
void h2_lose(struct h2 *, const char *why);
/* A head has begun and is not complete: of no stream so far. For timeouts.request_head. */
bool h2_is_in_head(const struct h2 *);
/* server: the stream of a request whose head has begun and is not complete. 0: there is none, what
 * is not complete are trailers, or another frame. */
uint32_t h2_request_begun(const struct h2 *);
/* No byte of the first frame, or of the preface, has come: nothing is known of the peer. */
bool h2_is_at_start(const struct h2 *);
/* GOAWAY with this code: all streams of the peer's that are here go on, later ones are ignored.
 * Close when none is left. */
void h2_goaway(struct h2 *, enum h2_code, const char *why);
/* server: asks the peer to open no more (GOAWAY with the highest number, and a PING). When that is
 * answered the last GOAWAY goes out (6.8): on_final. It goes out in the call, without the event, if
 * the owner waits no more and calls it again. */
void h2_drain(struct h2 *);
void h2_ping(struct h2 *); /* on_pong comes */
/* Would the peer take another stream? Before its SETTINGS: up to first_streams of them. */
bool h2_may_open(const struct h2 *, uint32_t first_streams);
size_t h2_held_bytes(const struct h2 *); /* its own memory, without the streams' */

/* --- a stream --- */

struct h2_stream { /* embedded; zeros before on_open gives it, or h2_open_stream gets it */
    struct h2 *h2; /* to be read; NULL: released */
    uint32_t id;   /* to be read */
    bool has_end;  /* to be read: the peer's message is complete */
    bool is_sent;  /* to be read: all of ours was handed over, END_STREAM included */
    uint8_t state; /* an enum h2_stream_state */
    bool has_length;
    bool answers_head;
    bool has_final;    /* head of a response */
    bool is_answered;  /* server: the final head went out */
    bool is_stopped;   /* the owner waits for on_drained */
    bool is_detached;  /* released while bytes wait */
    uint8_t updates;   /* WINDOW_UPDATEs that we have sent, up to 2 */
    uint8_t end_waits; /* an enum h2_end of wire/h2_inside.h */
    int32_t send_window, receive_window;
    uint32_t unconsumed; /* bytes of body that came, for h2_consumed */
    uint32_t credit;     /* consumed, and the peer does not know yet */
    uint32_t head_bytes; /* part of h2->heads_bytes */
    uint32_t began_ms;   /* steady clock, its low bits */
    uint32_t trailers_bytes;
    uint64_t length_left;     /* of its content-length */
    struct buffer waiting;    /* body that waits for a window or the socket, then trailers */
    struct list_node waits;   /* in h2->waiting */
    struct h2_stream *bucket; /* the next one there */
};

/* client: a stream; its number is given by h2_send_head, which should come in the same event. After
 * a true h2_may_open. */
void h2_open_stream(struct h2 *, struct h2_stream *);
/* A head as HTTP/1.1 has it, its lines with the empty one. A server: interim ones, never 101, and
 * the final one. Fields of the connection and the reason are left out, names are lowered. A
 * client: Host becomes :authority. scheme: of a request, else empty. is_end: nothing follows. */
void h2_send_head(struct h2_stream *, struct slice lines, struct slice scheme, bool is_end);
/* client: the same for a request with Upgrade, to a peer_has_connect: CONNECT with :protocol. */
void h2_send_connect(struct h2_stream *, struct slice lines, struct slice scheme);
/* Borrows as stream_add does. What finds no window, or a socket with a backlog, is copied and
 * waits: then h2_backlog is not 0, and the caller should stop until on_drained. */
void h2_send_body(struct h2_stream *, struct slice);
void h2_send_last_body(struct h2_stream *, struct slice);    /* not empty; the end behind it */
void h2_send_end(struct h2_stream *, struct slice trailers); /* their lines, or empty */
/* Of what h2_send_body was given: while it is not 0 an on_drained is to come. */
size_t h2_backlog(const struct h2_stream *);
/* So many bytes of on_body have found their place: the peer may send as many more. */
void h2_consumed(struct h2_stream *, size_t bytes);
/* RST_STREAM, if the stream is not closed; what waits is lost; no event comes. Then release it. */
void h2_reset(struct h2_stream *, enum h2_code);
/* The stream is its owner's again, and no event of it comes. If its messages are not both
 * complete, it is reset: by a server that has sent its answer with NO_ERROR (8.1), else with
 * INTERNAL_ERROR; by a client with CANCEL. What waits of a message that was handed over to its end
 * moves to memory of h2's and still goes out, or is lost with the connection; an owner that wants
 * to time that awaits on_drained before it releases. Twice is fine. */
void h2_stream_release(struct h2_stream *);
size_t h2_stream_bytes(const struct h2_stream *); /* the memory that h2 has for it */

#endif
