/*
 * target - the four forms of a request target (RFC 9112, 3.2), taken apart.
 */
#ifndef HTTP_TARGET_H
#define HTTP_TARGET_H

#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>

enum { HOST_LITERAL_BYTES = 64 };

enum target_form { TARGET_ORIGIN, TARGET_ABSOLUTE, TARGET_AUTHORITY, TARGET_ASTERISK };

struct target {
    enum target_form form;
    struct slice authority; /* of the absolute and the authority form */
    struct slice origin;    /* what a backend gets: "/path?query", or "*" */
    struct slice path, query;
};

/* False if the target is of no form that its method may have. Borrows from text; an origin that
 * is not a part of it, "/?query" of "http://host?query", is in the arena. */
bool target_parse(struct slice method, struct slice text, struct arena *, struct target *out);

/* "/path[?query]" of bytes that may be sent so (RFC 9112, 3.2.1). */
bool target_is_origin(struct slice text);
/* "host[:port]" or "[v6][:port]", nothing else (RFC 9110, 7.2). */
bool host_is_valid(struct slice host);
/* The same, and what host_without_port gives. */
bool host_split(struct slice host, struct slice *name);
struct slice host_without_port(struct slice host);
/* The digits behind the colon of a valid one, without leading zeros; empty: none, or port 0. */
struct slice host_port(struct slice host);
/* A valid one without its port as hosts are compared (RFC 3986, 6.2.2): in lower case, without dots
 * at its end, what needs no escape unescaped, an IPv6 address in its one text (RFC 5952). Gives its
 * bytes, at out, where host.length or HOST_LITERAL_BYTES are free, whichever is more. */
size_t host_compared(struct slice host, char *out);

#endif
