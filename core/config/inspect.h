/*
 * inspect - what `lb check` prints about certificates: names, keys, days left, warnings.
 */
#ifndef CONFIG_INSPECT_H
#define CONFIG_INSPECT_H

#include "base/buffer.h"
#include "config/config.h"

#include <stdint.h>

/* A line for each certificate, for ciphers and groups, and for each warning, all of them comments
 * of Lua; nothing if no TLS is used. now_s: seconds since 1970. */
void inspect_certificates(const struct config_tls *, int64_t now_s, struct buffer *out);

#endif
