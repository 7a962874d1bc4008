/*
 * scan - a whole head, found and taken apart in one go, run by run. Pure.
 *
 * A fast path that accepts only valid heads. Every other head is parsed again by syntax, which
 * names the fault. Both accept the same heads: the specs read each one both ways.
 */
#ifndef HTTP_SCAN_H
#define HTTP_SCAN_H

#include "http/head.h"

/* Where the fields of a head go: as many as there may be. */
struct scan_room {
    struct field *fields;
    unsigned char *kinds;
    unsigned count;
};

/* How long the head is that the bytes begin with; 0 if it is not all there, not right, or has more
 * fields than there is room for. *head borrows from the bytes and from the room; of a request whose
 * first line is right it has that in any case. */
size_t scan_request(struct slice bytes, const struct scan_room *, struct head *);
size_t scan_response(struct slice bytes, const struct scan_room *, struct head *);
/* The same of the section of trailers. */
size_t scan_trailers(struct slice bytes, const struct scan_room *, struct head *);

/* The same head where its bytes were copied to, the fields to the room, which has enough. */
void scan_move(struct head *, const char *from, const char *to, const struct scan_room *);

#endif
