/*
 * state - how lb is, as a whole: alive, ready, and everything in one object.
 */
#ifndef ADMIN_STATE_H
#define ADMIN_STATE_H

#include "admin/answer.h"

enum answer_step state_live(struct answer *, struct buffer *out);
enum answer_step state_ready(struct answer *, struct buffer *out);
enum answer_step state_all(struct answer *, struct buffer *out);

/* Members of the open object: ready, why, and what is counted over all workers. */
void state_put_ready(const struct admin *, struct buffer *out);
void state_put_sums(const struct admin *, struct buffer *out);
uint64_t state_total(const struct segment *, unsigned total);      /* of all processes */
void state_list_reasons(const struct admin *, struct buffer *out); /* with commas, as text */
bool state_is_ready(const struct admin *);
bool state_lacks_backends(const struct segment *); /* there are some, and none is available */

#endif
