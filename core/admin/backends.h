/*
 * backends - the backends of the current script, with all that is known of them.
 */
#ifndef ADMIN_BACKENDS_H
#define ADMIN_BACKENDS_H

#include "admin/answer.h"

enum answer_step backends_all(struct answer *, struct buffer *out);
enum answer_step backends_one(struct answer *, struct buffer *out);

/* Elements of a list, from the slot a->at - first on, a piece of them; moves a->at. True: that was
 * the last. */
bool backends_put(struct answer *a, uint64_t first, struct buffer *out);
/* "up", "down", "ejected" or "draining". */
const char *backends_standing_name(const struct segment *, unsigned slot, uint64_t now_ms);
/* Members of the open object: its state, since when, why. */
void backends_put_state(const struct admin *, unsigned slot, struct buffer *out);
/* Why it is not up: what its last check said, or who did it and why. Nothing if it is up. */
void backends_put_why(const struct segment *, unsigned slot, uint64_t now_ms, struct buffer *);
/* One backend in short, as a list, and what stands in it. False: nobody is there. */
bool backends_put_row(const struct admin *, unsigned slot, struct buffer *out);
extern const char backends_columns[]; /* their names, as JSON */
/* One backend, as an object. False: nobody is there. */
bool backends_put_one(const struct admin *, unsigned slot, struct buffer *out);

#endif
