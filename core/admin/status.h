/*
 * status - how lb is, as text for a terminal: what `lb status` and `lb backends` print.
 */
#ifndef ADMIN_STATUS_H
#define ADMIN_STATUS_H

#include "admin/answer.h"

/* ?part=backends: only the table. */
enum answer_step status_text(struct answer *, struct buffer *out);

#endif
