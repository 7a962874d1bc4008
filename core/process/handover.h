/*
 * handover - what a program leaves to the one that takes its place in the same process.
 *
 * A file without a name has it, as records (base/records.h), and LB_HANDOVER in the environment
 * names its descriptor. Each descriptor that the next program is to have is in it as a fact "fd":
 * these stay open, and when the next program has taken over it closes each that it does not know,
 * or cannot use, as its memory has another layout. With ",try" behind the number the program is
 * only tried: it looks whether it could, and changes nothing.
 *
 *   lb        version, layout (shared/segment.h), workers, began_ms: when SIGUSR2 came, budget_ms:
 *             what a hook may take, beside: the pid of another lb that listened there before
 *             path: of the program
 *   program   fd: its file
 *   segment   fd
 *   wake      fd: the segment has their numbers
 *   listen    written, flags: the addresses in their order
 *   socket    fd: by slots, and then by addresses
 *   child     name, pid, role, slot, fd (its channel), worker, pulse: where that is in the segment,
 *             moves: how its clients over TLS are handed over (net/tls_move.h),
 *             memory: the inode of the segment that it reads (process/scribe.h)
 *   admin     fd, written, device, inode: of the admin listener (process/admin_sockets.h)
 *   asker     fd: the connection of who has asked for the upgrade
 *   asks      fd: over which such connections come; ours, and then the admin process's
 *   backend   identity, slot: which has which slot (shared/slots.h)
 *
 * and, if the next program's segment has another layout, what shared/carried.h writes.
 */
#ifndef PROCESS_HANDOVER_H
#define PROCESS_HANDOVER_H

#include "base/records.h"
#include "config/config.h"
#include "shared/slots.h"

#define HANDOVER_VARIABLE "LB_HANDOVER"

struct handover {
    bool is_trial;
    bool is_back; /* the next program has given the place back: process/way_back.h */
    int fd;
    struct buffer text;
    struct record about; /* "lb" */
    bool is_same_layout; /* so its segment is ours */
    int segment_fd;
    int memory_fd;   /* the segment of the program before, whatever its layout; -1: none */
    unsigned guests; /* children */
    unsigned lost;   /* values that were carried over and found no room */
};

/* --- in the program before --- */

void handover_add_listeners(struct buffer *, const struct config *);
int handover_file(struct slice text) MUST_USE;        /* a descriptor; -1 and errno */
bool handover_read(int fd, struct buffer *) MUST_USE; /* all of it */
/* Descriptors that the text names stay open in the next program, or do not. */
void handover_keep(struct slice text, bool keeps);
void handover_name(int fd, bool is_trial); /* in the environment; -1: none */

/* --- in the next program --- */

/* NULL: nobody has left anything. Else the descriptors in it are taken, unless it is a trial. */
struct handover *handover_take(void);
/* From now on this program goes on, whatever comes. */
void handover_close_unused(const struct handover *);
void handover_free(struct handover *); /* NULL is fine */
/* Whether the settings go with it; if not, *error says why. */
bool handover_fits(const struct handover *, const struct config *, struct buffer *error) MUST_USE;
/* Each backend has the slot that it had, if the layout is the same. False: there are too many. */
bool handover_place(const struct handover *, struct config *) MUST_USE;
void handover_slots(const struct handover *, struct slots *); /* that are not of these backends */

bool handover_knows(const struct record *); /* and what it is for */

/* Takes the next record of the kind, from the front. */
bool handover_next(struct slice *rest, const char *kind, struct record *) MUST_USE;
static inline struct slice handover_text(const struct handover *h)
{
    return buffer_slice(&h->text);
}

/* How the tried program says that it is one: behind it is segment_layout. */
#define HANDOVER_ANSWER "lb handover 1, layout "

#endif
