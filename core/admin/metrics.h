/*
 * metrics - the numbers of the segment as text for Prometheus: version 0.0.4 of its format, or
 * OpenMetrics 1.0 if Accept asks for it.
 *
 * A page comes in pieces, so that thousands of backends hold up nobody.
 * core/reference/metrics.md has each name.
 */
#ifndef ADMIN_METRICS_H
#define ADMIN_METRICS_H

#include "admin/answer.h"

enum answer_step metrics_page(struct answer *, struct buffer *out); /* a route */

#endif
