/*
 * field_kind - what a field is to a proxy, by its name alone. Pure.
 */
#ifndef HTTP_FIELD_KIND_H
#define HTTP_FIELD_KIND_H

#include "base/slice.h"

#include <stdbool.h>

enum field_kind {
    FIELD_OTHER,      /* unknown to us: forwarded, unless Connection names it (FIELD_NAMED) */
    FIELD_END_TO_END, /* well known: Connection has named it, in vain */

    FIELD_CONNECTION,
    FIELD_HOP,   /* ends here always (RFC 9110, 7.6.1 and 11.7) */
    FIELD_NAMED, /* ends here because Connection names it */
    FIELD_TE,
    FIELD_UPGRADE,
    FIELD_TRAILER,

    FIELD_CONTENT_LENGTH,
    FIELD_TRANSFER_ENCODING,
    FIELD_LOOK_ALIKE, /* Content_Length, X_Forwarded_For: see field_kind_of */
    FIELD_HOST,
    FIELD_EXPECT,
    FIELD_DATE,
    FIELD_MAX_FORWARDS,
    FIELD_CREDENTIALS, /* what a client proves itself with: Authorization, Cookie and the like */

    FIELD_FORWARDED,
    FIELD_X_FORWARDED_FOR,
    FIELD_X_FORWARDED_PROTO,
    FIELD_X_FORWARDED_HOST,
    FIELD_X_FORWARDED_PORT,
    FIELD_X_FORWARDED, /* another of these names, or Client-Cert (RFC 9440) */

    FIELD_TRACEPARENT, /* http/trace_context.h */
    FIELD_TRACESTATE,
};

/* CGI and its descendants make CONTENT_LENGTH of Content-Length, and also of
 * Content_Length; PHP also of Content.Length, and lighttpd of any sign in that place. A backend
 * behind such an interface could take a client's field for the field that we have checked and
 * written. So look-alikes of framing fields, of X-Forwarded-* and of Client-Cert have a kind of
 * their own; no honest client sends them. */
enum field_kind field_kind_of(struct slice name);
/* Do two names, in any letter case, differ in other signs than letters and digits only? To such a
 * backend X_User is X-User. */
bool name_is_alike(struct slice name, struct slice other);

#endif
