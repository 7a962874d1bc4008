/*
 * dns - backends from DNS: "dns:app.internal:8080", all addresses of a name, and
 * "srv:_http._tcp.app.internal", with ports, weights and priorities from SRV records.
 *
 * What answers mean stands in discover/dns_rules.h. A name that is not there, or has nothing, is an
 * empty list, for the guard to judge; a server that fails or is silent is no list.
 */
#ifndef DISCOVER_DNS_H
#define DISCOVER_DNS_H

#include "discover/source.h"

extern const struct source_kind dns_kind, dns_srv_kind;

#endif
