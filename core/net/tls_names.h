/*
 * tls_names - which site a host name belongs to: exact, then one wildcard label, then the first
 * site unless that is not wished. Pure; a lookup takes the same time however many names there are.
 *
 * "*.example.com" has a.example.com and neither example.com nor a.b.example.com. Letter case and a
 * dot at the end do not matter.
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
    bool strict; /* a name that no site has, or none, belongs to none; else to site 0 */
};

/* A zeroed one is empty. */
void tls_names_dispose(struct tls_names *);
/* The site that has the name from now on: this one, or the one that had it before. Copies the
 * name, which has to be right: tls_names_is_right. */
unsigned tls_names_add(struct tls_names *, struct slice name, unsigned site);
/* A site, or TLS_NAMES_NONE. A name of length 0: the client said none. */
int tls_names_find(const struct tls_names *, struct slice name);
/* Was this very name added? */
bool tls_names_has(const struct tls_names *, struct slice name);
/* Is it a host name of A-labels and no address, maybe with "*." in front? */
bool tls_names_is_right(struct slice name);
/* Is it a host name and no address, as a client may say it? Without a wildcard. */
bool tls_names_is_host(struct slice name);

#endif
