/*
 * refusal - what is said of a head that is refused. Pure.
 *
 * Syntax knows which rule a byte breaks. Who has to mend it wants to know which field that was,
 * or that the port is not for what came there.
 */
#ifndef HTTP_REFUSAL_H
#define HTTP_REFUSAL_H

#include "base/arena.h"
#include "http/syntax.h"

/* The fault of a request, of which that much was read: another one if it begins as no valid request
 * does, but another protocol. */
enum syntax_fault refusal_fault(enum syntax_fault, struct slice head);

/* "a field name that is not a token: X-A[": the name of the field up to its colon, or with the byte
 * that does not belong in it; in the arena. The head ends before that byte. */
const char *refusal_name_field(struct arena *, const struct syntax *, struct slice head,
                               char wrong);

#endif
