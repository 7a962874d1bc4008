/*
 * networks - what scripts know addresses by: lb.net of core/lua/codes.lua calls these by name.
 */
#ifndef SCRIPT_NETWORKS_H
#define SCRIPT_NETWORKS_H

#include "net/network.h"

/* NULL, or what is wrong with the text, in static words. */
const char *networks_parse(struct network *out, const char *text, size_t length);
/* Is that an address of one of them? An IPv6 network of 64 bits, as ctx.client says them, counts
 * too, if all of it is in one. */
bool networks_have(const struct network *list, uint32_t count, const char *text, size_t length);

#endif
