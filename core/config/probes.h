/*
 * probes - how a backend's health is checked: `type`, `path`, `host` and `status` of `health`.
 */
#ifndef CONFIG_PROBES_H
#define CONFIG_PROBES_H

#include "config/config.h"

struct fields; /* lua/fields.h */

extern const char *const probes_names[]; /* of these settings; ends with NULL */

void probes_set_defaults(struct config_health *);
void probes_read(struct config_health *, struct fields *health);
void probes_print(const struct config_health *, struct buffer *); /* appends them, as a script */
/* Is it one of the setting `status`? */
bool probes_status_is_healthy(const struct config_health *, unsigned status);

#endif
