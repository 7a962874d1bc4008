/*
 * misdirected - does a request ask for a site to which its connection gives no access?
 *
 * A client shakes hands with a site that asks for no certificate, and then asks by Host for a site
 * whose clients have to show one. It gets a 421, and may come again (RFC 9110, 15.5.20).
 */
#ifndef PROXY_MISDIRECTED_H
#define PROXY_MISDIRECTED_H

#include "config/config.h"
#include "policy/facts.h"

#include <stdbool.h>

bool misdirected_is(const struct config_tls *, struct facts_request *);

#endif
