/*
 * sites - which certificates each name gets.
 *
 * Of each kind of key a name gets the first certificate that has it: RSA and ECDSA side by side.
 * Names that get the same are one site. The first site is that of the first certificate.
 */
#ifndef CONFIG_SITES_H
#define CONFIG_SITES_H

#include "config/config.h"

struct fields_wrong; /* lua/fields.h */

/* Of tls.files, which has one certificate at least; in place of those that there were. */
void sites_make(struct config_tls *);
void sites_forget(struct config_tls *); /* and wipes the files */
/* Does the library take the rules? Of one site, as ciphers and the like are the same for all. What
 * is wrong is kept as by lua/fields.h. */
void sites_try(const struct config_tls *, struct fields_wrong *);

#endif
