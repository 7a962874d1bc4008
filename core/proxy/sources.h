/*
 * sources - what becomes of a plan when the sources of its backends have found others.
 *
 * New requests go by the new list at once. A backend that has left keeps the requests that it has,
 * for discovery.drain; then they are cut. When none is left its place is given back.
 */
#ifndef PROXY_SOURCES_H
#define PROXY_SOURCES_H

#include "proxy/proxy.h"

/* A plan that is new. */
void sources_follow(struct plan *);
/* All plans, often: costs a read if nothing is new. Never inside a call of a script. */
void sources_step(struct proxy *);

#endif
