/*
 * otlp - spans as OTLP over HTTP has them in JSON: ExportTraceServiceRequest. Pure, but for the
 * name of the machine.
 *
 * Names and attributes are those of OpenTelemetry's semantic conventions for HTTP, and lb's own:
 * lb.backend, lb.why.
 */
#ifndef ADMIN_OTLP_H
#define ADMIN_OTLP_H

#include "base/buffer.h"
#include "shared/spans.h"

void otlp_begin(struct buffer *, const char *service);
void otlp_add(struct buffer *, const struct span *, bool is_first);
void otlp_end(struct buffer *);
/* How many of them the collector has refused, by its answer. */
uint64_t otlp_rejected(struct slice answer);

#endif
