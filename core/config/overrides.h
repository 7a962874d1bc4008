/*
 * overrides - what options or the environment say in place of the script.
 */
#ifndef CONFIG_OVERRIDES_H
#define CONFIG_OVERRIDES_H

#include "config/config.h"
#include "lua/fields.h"

/* Fills config->overridden: of the settings that the table has, and an override, too. */
void overrides_note(struct config *, const struct config_overrides *, struct fields *root);

#endif
