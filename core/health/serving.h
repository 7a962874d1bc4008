/*
 * serving - the two messages of gRPC's health checking (grpc.health.v1.Health/Check). Pure.
 *
 * They have a field each, so they are written and read by hand: the service's name, and a status.
 */
#ifndef HEALTH_SERVING_H
#define HEALTH_SERVING_H

#include "base/buffer.h"

#define SERVING_METHOD "/grpc.health.v1.Health/Check"

enum { SERVING_UNKNOWN, SERVING_YES, SERVING_NO, SERVING_NO_SERVICE, SERVING_MALFORMED };

/* Appends the request with the five bytes that gRPC puts before each message. service: at most
 * CONFIG_HEALTH_SERVICE_MAX bytes; empty: the server as a whole. */
void serving_ask(struct buffer *, struct slice service);
/* One of those above, of an answer with its five bytes. A compressed one is malformed. */
unsigned serving_read(struct slice answer);

#endif
