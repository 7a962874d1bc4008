/*
 * tls_sites - the sites of a script, and their contexts, each made when a client first needs it.
 *
 * Only the TLS_SITES_KEPT contexts used last are kept: ten thousand sites take no more memory for
 * contexts than a thousand.
 */
#ifndef NET_TLS_SITES_H
#define NET_TLS_SITES_H

#include "net/tls_names.h"
#include "net/tls_site.h"

enum { TLS_SITES_KEPT = 1000 };

struct tls_sites_rules {                /* as the settings give them */
    const struct tls_site_rules *sites; /* names gives an index into it */
    unsigned count;                     /* 0: no client is served */
    const struct tls_names *names;
    bool makes_records; /* our own, where they can be (net/tls_own) */
};

struct tls_sites;

struct tls_sites *tls_sites_new(const struct tls_sites_rules *); /* borrows sites and names */
void tls_sites_free(struct tls_sites *);                         /* NULL is fine */
/* An index, or TLS_NAMES_NONE. */
int tls_sites_find(const struct tls_sites *, struct slice name);
const struct tls_site_rules *tls_sites_rules_of(const struct tls_sites *, unsigned site);
/* Borrowed until the next call. NULL: the context cannot be made. */
struct ssl_ctx_st *tls_sites_context(struct tls_sites *, unsigned site);

#endif
