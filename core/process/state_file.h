/*
 * state_file - the file of --state: what outlives the end of lb.
 *
 * Whatever becomes of the file, lb serves. While it does, a child writes it, so that nothing waits
 * for a disk; at the end lb itself does. What cannot be read is moved to FILE.bad; if not even
 * that can be, the file is left as it is and never written.
 */
#ifndef PROCESS_STATE_FILE_H
#define PROCESS_STATE_FILE_H

#include "base/buffer.h"
#include "config/config.h"
#include "os/children.h"
#include "shared/slots.h"

struct state_file { /* all zero: none */
    const char *path;
    struct segment *segment;
    const struct config *config;
    const struct slots *slots;
    uint64_t zero_ms; /* when the steady clock began */
    uint64_t next_ms;
    uint64_t hash; /* of what the file has; 0: not known */
    struct children *children;
    unsigned writer;    /* which of them writes; */
    struct buffer text; /* what, */
    uint64_t writes;    /* and its hash */
    bool is_failing;
};

/* Borrows all. path NULL: none. writer: which of the children. */
void state_file_open(struct state_file *, const char *path, const struct config *, struct segment *,
                     const struct slots *, struct children *, unsigned writer);
void state_file_read(struct state_file *);  /* at a fresh start */
void state_file_step(struct state_file *);  /* while lb serves; often */
void state_file_write(struct state_file *); /* now, if something has changed; no child runs */
uint64_t state_file_next_ms(const struct state_file *);

_Noreturn void state_file_run_writer(struct state_file *);   /* in the child */
void state_file_on_written(struct state_file *, int status); /* it has ended */
/* Another program is about to take this one's place, and may write. */
void state_file_end_writer(struct state_file *);

#endif
