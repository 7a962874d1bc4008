/*
 * outlet - a standard stream that whole lines leave by, without ever waiting.
 *
 * The descriptor is shared with others (a terminal with the shell, a pipe with
 * the other processes), so its flags are not ours to change: O_NONBLOCK is set
 * on an open file description of our own where the system gives one. Where it
 * does not (the pipe is another user's), each write says that it will not wait;
 * and only where the kernel cannot do that for this kind of device the shared
 * description is changed after all, as a worker that waits for the reader of
 * its log is worse than a neighbour that meets EAGAIN. To a pipe go pieces of
 * whole lines that the kernel takes as one or not at all, so the lines of several
 * processes do not mix.
 *
 * To a regular file each write appends, also if others have opened or shorten it. Where the
 * disk is full, whole lines are dropped, and a line that is half out is completed before the next
 * one (base/half_line.h). A file is known by the path that it had when it was first seen, and can
 * be opened there again.
 */
#ifndef BASE_OUTLET_H
#define BASE_OUTLET_H

#include "base/buffer.h"
#include "base/half_line.h"

#include <limits.h>

enum {
    OUTLET_LINE_BYTES_MAX = PIPE_BUF,      /* with the line end; what is longer is cut, visibly */
    OUTLET_PENDING_BYTES_MAX = 256 * 1024, /* beyond that, new lines are dropped and counted */
};

enum outlet_kind {
    OUTLET_CLOSED, /* all zero: nothing is there, lines vanish */
    OUTLET_FILE,   /* a regular file: plain writes, which append */
    OUTLET_OWN,    /* a pipe or a device through a description of our own */
    OUTLET_SOCKET, /* send() can be asked not to wait */
    OUTLET_SHARED, /* a pipe or a device that cannot be opened again */
};

struct outlet {
    enum outlet_kind kind;
    int fd;
    bool in_line;   /* the device has taken the first part of a line */
    bool is_broken; /* the last write failed for good: nobody reads, the disk is full */
    struct buffer pending;
    uint64_t dropped;       /* lines since outlet_take_dropped */
    int error;              /* errno: why; EAGAIN: nobody has read what is there */
    char *path;             /* of a regular file, absolute; NULL: it has none, or it is another's */
    struct half_line *half; /* of that file; NULL: nobody else writes to it */
    unsigned stream;        /* which one of this process, for that */
    uint64_t half_end;      /* in_line: how long the file was then */
};

void outlet_open(struct outlet *, int fd); /* borrows fd; a second call forgets what is pending */
void outlet_put(struct outlet *, struct slice line); /* without its line end */
/* A line put together in place: where to write at most room bytes, until the next call; NULL if it
 * would vanish. Then how many it has become, without its line end. */
char *outlet_begin(struct outlet *, size_t room);
void outlet_end(struct outlet *, size_t length);
bool outlet_flush(struct outlet *);            /* false: some must wait */
uint64_t outlet_take_dropped(struct outlet *); /* 0 as long as writing does not work */
void outlet_close(struct outlet *);            /* forgets what is pending */

/* A file to write to, for outlet_open; made if it is not there. -1 and errno if it cannot be. */
int outlet_open_file(const char *path) MUST_USE;
/* Where it is opened again, if it is a regular file: a link on the way, which the kernel's path
 * does not have, counts then. Copied. */
void outlet_know_path(struct outlet *, const char *path);
/* Writes what it can, then opens the file at its path anew, in the place of its descriptor. A file
 * that is not there is made, with the rights and, if that is allowed, the owner of the one before.
 * 0, or errno: then it continues with the file that it has. */
int outlet_reopen(struct outlet *) MUST_USE; /* only with a path */

#endif
