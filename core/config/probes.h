/*
 * probes - how a backend's health is checked: `type` and what goes with it, of `health`.
 */
#ifndef CONFIG_PROBES_H
#define CONFIG_PROBES_H

#include "config/config.h"

struct fields; /* lua/fields.h */

extern const char *const probes_names[]; /* of these settings; ends with NULL */

void probes_set_defaults(struct config_health *);
void probes_read(struct config *, struct fields *health);         /* once the backends are read */
void probes_print(const struct config_health *, struct buffer *); /* appends them, as a script */
/* Is it one of the setting `status`? */
bool probes_status_is_healthy(const struct config_health *, unsigned status);

#endif
