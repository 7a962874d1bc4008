/*
 * accept - what kind of text a client takes (RFC 9110, 12.5.1). Pure.
 */
#ifndef HTTP_ACCEPT_H
#define HTTP_ACCEPT_H

#include "http/head.h"

#include <stdbool.h>

/* Does its Accept take JSON, and no text of any kind? Not without an Accept: that takes all. */
bool accept_wants_json(const struct head *);

#endif
