/*
 * exporter - takes the spans of all workers and sends them to a collector, by OTLP over HTTP.
 *
 * One request at a time, of 512 spans, or of what came in a second. It is sent again only if the
 * collector asks for that, by 429, 502, 503 or 504; what else becomes of it is counted. Meanwhile
 * spans stay in the rings, where new ones take the place of old ones. So nothing waits for a
 * collector, and what is held is one request and the next.
 */
#ifndef ADMIN_EXPORTER_H
#define ADMIN_EXPORTER_H

#include "config/tracing.h"
#include "net/loop.h"
#include "shared/segment.h"

struct exporter;

/* Borrows all, for ever. */
struct exporter *exporter_new(struct loop *, struct segment *, const struct config_tracing *);
/* Sends what it has at once; with takes_all also what is in the rings. Then on_done, once, never
 * inside the call. */
void exporter_finish(struct exporter *, bool takes_all, void (*on_done)(void *owner), void *owner);
/* What it has not sent is lost, and counted so. */
void exporter_give_up(struct exporter *);

#endif
