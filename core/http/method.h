/*
 * method - what its method alone says of a request. Pure.
 */
#ifndef HTTP_METHOD_H
#define HTTP_METHOD_H

#include "base/slice.h"

#include <stdbool.h>

/* May a request of that method be sent twice with the effect of once (RFC 9110, 9.2.2)? As IANA's
 * HTTP Method Registry has it; a method that is not there may not. */
bool method_is_idempotent(struct slice method);
/* Has the method no use for a body (RFC 9110, 9.3.1)? Some backends leave such a body unread. */
bool method_ignores_body(struct slice method);

#endif
