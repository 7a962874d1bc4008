/*
 * sites - which certificates each name gets.
 *
 * For each kind of key a name gets the first certificate that has the name: RSA and ECDSA side by
 * side. Names that get the same certificates and rules are one site. The first site belongs to the
 * first certificate.
 */
#ifndef CONFIG_SITES_H
#define CONFIG_SITES_H

#include "config/config.h"

struct fields_wrong; /* lua/fields.h */

/* Makes the sites from tls.files, which has at least one certificate. Replaces earlier sites. */
void sites_make(struct config_tls *);
void sites_forget(struct config_tls *); /* and wipes the files, unless backends need some */
/* Does the library take the rules? Tries the first hundred sites, and of the others the first with
 * each set of rules for clients, up to a hundred more: a try takes a millisecond, and there may be
 * thousands. A fault is reported as by lua/fields.h. */
void sites_try(const struct config_tls *, struct fields_wrong *);

#endif
