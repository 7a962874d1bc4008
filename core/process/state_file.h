/*
 * state_file - the file of --state: what outlives the end of lb.
 *
 * Whatever becomes of the file, lb serves. What cannot be read is moved to FILE.bad; if not even
 * that can be, the file is left as it is and never written.
 */
#ifndef PROCESS_STATE_FILE_H
#define PROCESS_STATE_FILE_H

#include "shared/slots.h"

struct state_file { /* all zero: none */
    const char *path;
    struct segment *segment;
    const struct slots *slots;
    uint64_t zero_ms; /* when the steady clock began */
    uint64_t next_ms;
    uint64_t hash; /* of what the file has; 0: not known */
    bool is_failing;
};

/* Borrows all. path NULL: none. */
void state_file_open(struct state_file *, const char *path, struct segment *, const struct slots *);
void state_file_read(struct state_file *);  /* at a fresh start */
void state_file_step(struct state_file *);  /* while lb serves; often */
void state_file_write(struct state_file *); /* now, if something has changed */
uint64_t state_file_next_ms(const struct state_file *);

#endif
