/*
 * tls_sites - the sites of a script, and their contexts, made when they are first asked for.
 *
 * The contexts that were used last are kept, TLS_SITES_KEPT of them: ten thousand certificates take
 * no more than a thousand.
 */
#ifndef NET_TLS_SITES_H
#define NET_TLS_SITES_H

#include "net/tls_names.h"
#include "net/tls_site.h"

enum { TLS_SITES_KEPT = 1000 };

struct tls_sites_rules {                /* as the settings give them */
    const struct tls_site_rules *sites; /* the index is what names gives */
    unsigned count;                     /* 0: nobody is served */
    const struct tls_names *names;
};

struct tls_sites;

struct tls_sites *tls_sites_new(const struct tls_sites_rules *); /* borrows what it points to */
void tls_sites_free(struct tls_sites *);                         /* NULL is fine */
/* An index, or TLS_NAMES_NONE. */
int tls_sites_find(const struct tls_sites *, struct slice name);
const struct tls_site_rules *tls_sites_rules_of(const struct tls_sites *, unsigned site);
/* Borrowed until the next call. NULL: it cannot be made. */
struct ssl_ctx_st *tls_sites_context(struct tls_sites *, unsigned site);

#endif
