/*
 * exchange - the story of one request: choose, connect, forward, answer, finish.
 *
 * Begins with a request's head and ends in exchange_finish, whichever side failed
 * first. It lives in the incoming's arena and goes with it.
 */
#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include "client/incoming.h"
#include "proxy/proxy.h"

/* Serves a request whose head is complete. Borrows it until incoming_done. */
void exchange_start(struct proxy *, struct incoming *);
/* Answers a request that cannot be served, with the fault's status and the text. */
void exchange_refuse(struct proxy *, struct incoming *, enum incoming_fault, const char *text);

#endif
