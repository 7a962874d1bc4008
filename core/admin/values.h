/*
 * values - what scripts keep by key (lb.get, lb.set), and their counters.
 */
#ifndef ADMIN_VALUES_H
#define ADMIN_VALUES_H

#include "admin/answer.h"

enum answer_step values_list(struct answer *, struct buffer *out);
enum answer_step values_get(struct answer *, struct buffer *out);
enum answer_step values_put(struct answer *, struct buffer *out);
enum answer_step values_remove(struct answer *, struct buffer *out);
enum answer_step values_counters(struct answer *, struct buffer *out);
enum answer_step values_add(struct answer *, struct buffer *out);

#endif
