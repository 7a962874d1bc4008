/*
 * control - what a person asks of lb as a whole: its end, another script, another level of the log.
 */
#ifndef ADMIN_CONTROL_H
#define ADMIN_CONTROL_H

#include "admin/answer.h"

enum answer_step control_reload(struct answer *, struct buffer *out);
enum answer_step control_upgrade(struct answer *, struct buffer *out);
enum answer_step control_drain(struct answer *, struct buffer *out);
enum answer_step control_log(struct answer *, struct buffer *out);

#endif
