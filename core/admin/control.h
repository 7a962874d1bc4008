/*
 * control - what a person asks of lb as a whole: another script, another level of the log, counts
 * and values of scripts.
 */
#ifndef ADMIN_CONTROL_H
#define ADMIN_CONTROL_H

#include "admin/answer.h"

enum answer_step control_reload(struct answer *, struct buffer *out);
enum answer_step control_log(struct answer *, struct buffer *out);

#endif
