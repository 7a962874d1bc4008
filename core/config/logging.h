/*
 * logging - the setting log:
 *
 *   log = { file = "/var/log/lb.log", format = "json", headers = { "user-agent" }, host = true,
 *           skip = { "/healthz", "/static/" } }
 */
#ifndef CONFIG_LOGGING_H
#define CONFIG_LOGGING_H

#include "config/config.h"

struct fields; /* lua/fields.h */

/* What --log-format says wins over the script. */
void logging_read(struct config *, const struct config_given *, struct fields *root);
void logging_print(const struct config *, struct buffer *);

/* Has a request with that path no line? The path as the client sent it, without its query. */
bool logging_skips(const struct config_log *, struct slice path);

#endif
