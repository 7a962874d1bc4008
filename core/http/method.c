#include "http/method.h"

#include <string.h>

/* By length, so that a method is compared with a handful of them. LOCK, POST, PATCH and CONNECT are
 * in the registry, too, and not idempotent. */
static const char *const idempotent[] = {
    [3] = "GET PUT ACL PRI",
    [4] = "HEAD BIND COPY LINK MOVE",
    [5] = "TRACE QUERY LABEL MERGE MKCOL",
    [6] = "DELETE REBIND REPORT SEARCH UNBIND UNLINK UNLOCK UPDATE",
    [7] = "OPTIONS CHECKIN",
    [8] = "PROPFIND CHECKOUT",
    [9] = "PROPPATCH",
    [10] = "MKACTIVITY MKCALENDAR ORDERPATCH UNCHECKOUT",
    [11] = "MKWORKSPACE",
    [13] = "MKREDIRECTREF",
    [15] = "VERSION-CONTROL",
    [16] = "BASELINE-CONTROL",
    [17] = "UPDATEREDIRECTREF",
};

bool method_is_idempotent(struct slice method)
{
    const char *name = NULL;

    if (method.length < sizeof idempotent / sizeof *idempotent)
        name = idempotent[method.length];
    for (; name != NULL; name += method.length + 1) {
        if (memcmp(method.start, name, method.length) == 0)
            return true;
        if (name[method.length] == '\0')
            break;
    }
    return false;
}

bool method_ignores_body(struct slice method)
{
    return slice_is(method, SLICE("GET")) || slice_is(method, SLICE("HEAD")) ||
           slice_is(method, SLICE("DELETE")) || slice_is(method, SLICE("OPTIONS"));
}
