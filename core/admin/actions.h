/*
 * actions - what a person does to a backend: drain, undrain, weigh, eject, readmit, check.
 */
#ifndef ADMIN_ACTIONS_H
#define ADMIN_ACTIONS_H

#include "admin/answer.h"

enum answer_step actions_drain(struct answer *, struct buffer *out);
enum answer_step actions_undrain(struct answer *, struct buffer *out);
enum answer_step actions_weigh(struct answer *, struct buffer *out);
enum answer_step actions_eject(struct answer *, struct buffer *out);
enum answer_step actions_readmit(struct answer *, struct buffer *out);
enum answer_step actions_check(struct answer *, struct buffer *out);

#endif
