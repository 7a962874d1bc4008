/*
 * guard - may this request have an answer from this route?
 *
 * Over TCP only what is open to everybody, unless the request has the token; and the page, which
 * asks for the token and holds no data. A change cannot come from a foreign page: a form has no
 * JSON, a page of another origin says so, and a name that was bound to our address is no name of
 * ours.
 */
#ifndef ADMIN_GUARD_H
#define ADMIN_GUARD_H

#include "admin/routes.h"

/* 0, or the status of the refusal, and why. */
unsigned guard_status(const struct answer *, const struct route *, struct slice host,
                      const char **why);

#endif
