/*
 * decisions - GET /decisions: how requests went and why, the newest first.
 *
 * Read from the rings of the workers (shared/decisions.h) anew for each piece of the answer, so
 * that nothing is held for a client that reads slowly. What is overwritten meanwhile is not there.
 */
#ifndef ADMIN_DECISIONS_H
#define ADMIN_DECISIONS_H

#include "admin/answer.h"

enum answer_step decisions_list(struct answer *, struct buffer *);
enum answer_step decisions_one(struct answer *, struct buffer *);

#endif
