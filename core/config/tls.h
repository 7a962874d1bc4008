/*
 * tls - the setting tls: which certificates, and how handshakes go.
 *
 * What is said here is what the script says. config/certificates reads the files that it names.
 */
#ifndef CONFIG_TLS_H
#define CONFIG_TLS_H

#include "base/buffer.h"
#include "config/config.h"

struct fields; /* lua/fields.h */

void tls_set_defaults(struct config_tls *);
/* After listen. given: what gives listen in the script's place ("LISTEN"), so that nobody may use
 * it; NULL: it is the script's. */
void tls_read(struct config *, struct fields *root, const char *given);
bool tls_is_used(const struct config *); /* a listener has tls */
void tls_print(const struct config *, struct buffer *out);

#endif
