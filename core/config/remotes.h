/*
 * remotes - backends over TLS: what they have to show, and what lb shows them.
 *
 * Backends that say the same share one entry of tls.remotes, so that each file is read once.
 */
#ifndef CONFIG_REMOTES_H
#define CONFIG_REMOTES_H

#include "config/config.h"

struct fields;       /* lua/fields.h */
struct fields_wrong; /* lua/fields.h */

/* For a backend that was just added: its certificate is verified, for the host of its address. */
void remotes_set_default(struct config *, struct config_backend *);
/* The table tls of a backend, if there is one. */
void remotes_read(struct config *, struct fields *entry, struct config_backend *);
void remotes_print(const struct config *, const struct config_backend *, struct buffer *out);
bool remotes_have_files(const struct config_tls *);
/* The rules of an entry, which borrow from tls.files. */
struct tls_remote_rules remotes_rules(const struct config_tls *, unsigned remote);
/* Does the library take all rules? A fault is reported as by lua/fields.h. */
void remotes_try(const struct config_tls *, struct fields_wrong *);

#endif
