/*
 * misdirected - does a request ask for a site to which its connection gives no access?
 *
 * A client that was not asked for a certificate when it shook hands with one site asks for another
 * by Host, whose clients have to show one. It is answered 421, and may come again (RFC 9110,
 * 15.5.20).
 */
#ifndef PROXY_MISDIRECTED_H
#define PROXY_MISDIRECTED_H

#include "config/config.h"
#include "policy/facts.h"

#include <stdbool.h>

bool misdirected_is(const struct config_tls *, struct facts_request *);

#endif
