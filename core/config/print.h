/*
 * print - the effective settings, as the script that would give them.
 */
#ifndef CONFIG_PRINT_H
#define CONFIG_PRINT_H

#include "config/config.h"

void config_print(const struct config *, struct buffer *); /* appends */

#endif
