/*
 * h2_fields - a head of HTTP/2 as the lines that HTTP/1.1 has for it, and back (RFC 9113, 8). Pure.
 *
 * On the way in the rules of HTTP/2 are checked on the fields themselves, before anything is text:
 * no byte of theirs can become a line, a coding or a length that they are not. What both versions
 * ask of a head (the form of a target, one Host) is left to the reader of the lines.
 */
#ifndef HTTP_H2_FIELDS_H
#define HTTP_H2_FIELDS_H

#include "base/arena.h"
#include "base/buffer.h"
#include "http/hpack.h"

#include <stdint.h>

/* A message's head, or its trailers. Borrowed for the call. */
struct h2_head {
    /* "GET /a HTTP/1.1\r\nHost: b\r\nname: value\r\n\r\n", "HTTP/1.1 200 \r\n..\r\n\r\n"; of
     * trailers the field lines and the empty line. Names are in lower case, :authority is the
     * line Host, pieces of cookie are one line, the last one. Nothing stands there that the peer
     * did not send, but of an extended CONNECT (RFC 8441): that is a GET with
     * "connection: Upgrade" and "upgrade: " and its protocol. */
    struct slice lines;
    bool is_end;     /* the message has no body */
    bool is_large;   /* beyond head_max: the lines are its beginning. Answer 431 */
    bool has_length; /* content-length, one and valid: h2 sees to it that DATA has that sum */
    uint64_t length;
    unsigned status;       /* of a response */
    struct slice scheme;   /* of a request, "http" or "https"; empty of a CONNECT */
    struct slice protocol; /* of an extended CONNECT, "websocket"; else empty */
};

enum { H2_DECODED_FACTOR = 4 }; /* so many times head_max are decoded */

enum h2_head_kind { H2_REQUEST, H2_RESPONSE, H2_TRAILERS };

/* --- in --- */

struct h2_fields { /* of one head while its fields come */
    enum h2_head_kind kind;
    bool may_connect; /* extended CONNECT was offered */
    size_t head_max;
    size_t bytes;    /* of all lines, those that found no room, too */
    const char *why; /* it is malformed: static text; NULL: it is not */
    bool has_regular, has_host, is_cut;
    struct slice method, scheme, authority, path, protocol, status; /* .start NULL: did not come */
    struct h2_head head;
};

/* Takes the process' memory for a head: no two at a time. */
void h2_fields_begin(struct h2_fields *, enum h2_head_kind, size_t head_max);
/* For hpack_read. False: more than four times head_max. */
bool h2_fields_add(void *fields, struct slice name, struct slice value);
/* Was that why h2_fields_add has given false? */
static inline bool h2_fields_are_too_many(const struct h2_fields *f)
{
    return f->bytes > f->head_max * H2_DECODED_FACTOR;
}

/* What is wrong with it, a static text; NULL: it is right, and fields->head is complete but for
 * is_end. Its bytes are borrowed until the next h2_fields_begin. */
const char *h2_fields_end(struct h2_fields *);

/* --- out --- */

struct h2_lines {
    struct hpack_field *fields; /* in the arena */
    unsigned count;
    unsigned status; /* of a response */
    bool is_head;    /* a request with the method HEAD */
};

/* The fields that such lines stand for; of the lines of our own heads. Borrows them. Names are
 * lowered, fields of the connection, host and the reason are left out. scheme: of a request.
 * connects: of a request with Upgrade, which becomes an extended CONNECT. */
void h2_fields_of_lines(struct arena *, enum h2_head_kind, struct slice lines, struct slice scheme,
                        bool connects, struct h2_lines *);

#endif
