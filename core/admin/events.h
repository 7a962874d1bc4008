/*
 * events - what happens, as server-sent events (HTML, 9.2): each event of the log, and a summary
 * each second.
 */
#ifndef ADMIN_EVENTS_H
#define ADMIN_EVENTS_H

#include "admin/answer.h"

/* ?last=20: begins with so many that have been. ?backends=1: behind each summary a row of each
 * backend, in as many events as it takes. */
enum answer_step events_stream(struct answer *, struct buffer *out);

#endif
