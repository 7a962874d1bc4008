/*
 * tls_names - which site a host name belongs to: an exact name first, then a wildcard, then the
 * first site unless names are strict. Pure; a lookup takes the same time for any number of names.
 *
 * "*.example.com" matches a.example.com, but neither example.com nor a.b.example.com. Letter case
 * and a dot at the end do not matter.
 */
#ifndef NET_TLS_NAMES_H
#define NET_TLS_NAMES_H

#include "base/check.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum { TLS_NAMES_NONE = -1 };

struct tls_name {
    char *text; /* lower case, without a dot at its end; "*." in front if it is a wildcard */
    uint32_t length, site;
};

struct tls_names {
    struct tls_name *slots; /* a power of two, at most half of them in use; NULL: none yet */
    uint32_t size, count;
    bool strict; /* an unknown or missing name has no site; else it has site 0 */
};

/* An empty table is all zero. */
void tls_names_dispose(struct tls_names *);
/* Adds a copy of the name, unless it is there. Gives the site that has the name now: this one, or
 * the site that had it before. The name has to be right: tls_names_is_right. */
unsigned tls_names_add(struct tls_names *, struct slice name, unsigned site);
/* A site, or TLS_NAMES_NONE. Length 0: the client asked for no name. */
int tls_names_find(const struct tls_names *, struct slice name);
/* Was this very name added? */
bool tls_names_has(const struct tls_names *, struct slice name);
/* May a site have the name: a host name of A-labels, no address, maybe with "*." in front? */
bool tls_names_is_right(struct slice name);
/* May a client ask for the name: a host name, no address, no wildcard? */
bool tls_names_is_host(struct slice name);

#endif
