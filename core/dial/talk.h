/*
 * talk - a connection of a script: lines and counted bytes in, texts out.
 *
 * One operation at a time. What is known at once is returned (TALK_DONE, TALK_FAILED), so that a
 * pipelined answer costs no turn of the loop; else on_over reports it, within the time limit, and
 * never inside the call that asked. Nothing is read but for an operation, so a peer that sends
 * too much waits with its own kernel.
 *
 * A connection on which anything has failed is closed: its next answer might be the one to an
 * earlier question. Asking it again fails with why.
 */
#ifndef DIAL_TALK_H
#define DIAL_TALK_H

#include "dial/dial.h"

enum { TALK_LINE_BYTES = 64 << 10, TALK_BYTES_MAX = 1 << 20 };

enum talk_step { TALK_DONE, TALK_FAILED, TALK_WAITS };

enum talk_wish { TALK_NOTHING, TALK_OPEN, TALK_LINE, TALK_READ, TALK_SEND };

struct talk {                                       /* embedded; stays in place until talk_close */
    void (*on_over)(struct talk *, enum talk_step); /* TALK_DONE or TALK_FAILED */
    struct slice result;      /* of a line or of a read; until the next call */
    char why[DIAL_WHY_BYTES]; /* it failed: "closed: by the peer" */

    /* the talk's own */
    struct loop *loop;
    struct dial dial;
    struct link *link;
    struct secured_wish *secured; /* NULL: without TLS */
    struct deadline limit;
    uint64_t timeout_ms; /* for each operation */
    enum talk_wish wish; /* what is being waited for */
    struct buffer in;
    size_t taken;  /* of in: the last result, which the next operation lets go */
    size_t looked; /* of in: there is no line end in these */
    size_t wanted; /* bytes of a read, or the most that a line may have */
    int failure;   /* of a write, seen while something was still to be read */
    bool has_ended, has_failed;
};

void talk_init(struct talk *, struct loop *, uint64_t timeout_ms);
/* TALK_WAITS. Copies the wish; NULL: without TLS. */
void talk_open(struct talk *, const struct address *, const struct secured_wish *);
/* A line without its LF or CRLF, of at most so many bytes. */
enum talk_step talk_line(struct talk *, size_t bytes_max) MUST_USE;
enum talk_step talk_read(struct talk *, size_t bytes) MUST_USE;
/* Done when the kernel has all of it. Borrows the text for the call. */
enum talk_step talk_send(struct talk *, struct slice text) MUST_USE;
/* Ends what is under way in silence, and frees what there is. In any state; twice is fine. */
void talk_close(struct talk *, const char *why);

#endif
