/*
 * groups - the tables of settings: health, timeouts, limits and others (config/settings.h).
 */
#ifndef CONFIG_GROUPS_H
#define CONFIG_GROUPS_H

#include "config/config.h"

struct fields;

void groups_read(struct config *, struct fields *root);

#endif
