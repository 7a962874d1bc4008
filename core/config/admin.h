/*
 * admin - the setting admin: where lb tells how it is, and who may act there.
 *
 *   admin = "unix:/run/lb/admin.sock"
 *   admin = { listen = { "unix:/run/lb/admin.sock", "127.0.0.1:9131" }, token = .., hosts = .. }
 */
#ifndef CONFIG_ADMIN_H
#define CONFIG_ADMIN_H

#include "config/config.h"
#include "shared/roster.h"

struct fields;

void admin_read(struct config_admin *, struct fields *root);
/* Without the token, for which asterisks stand. Nothing if there is no such setting. */
void admin_print(const struct config_admin *, struct buffer *);
/* "127.0.0.1:9131", "unix:/run/lb/admin.sock" */
void admin_format_listen(const struct address *, struct buffer *);

/* Who a backend is, for processes without a script. */
void admin_describe(const struct config *, unsigned i, struct roster_entry *);

#endif
