/*
 * tls - the setting tls: which certificates, and how handshakes go.
 *
 * This reads what the script says. config/certificates reads the files that the script names.
 */
#ifndef CONFIG_TLS_H
#define CONFIG_TLS_H

#include "base/buffer.h"
#include "config/config.h"

struct fields; /* lua/fields.h */

void tls_set_defaults(struct config_tls *);
/* Call it after listen was read. given: what replaces the script's listen ("LISTEN"), so that
 * perhaps no listener uses tls; NULL: the script's listen counts. */
void tls_read(struct config *, struct fields *root, const char *given);
bool tls_is_used(const struct config *); /* a listener has tls */
void tls_print(const struct config *, struct buffer *out);

#endif
