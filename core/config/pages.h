/*
 * pages - a script's bodies for lb's own answers, by status, and headers for one of them or all:
 *
 *   pages = {
 *     [503] = "back soon",
 *     [404] = { type = "application/json", body = "{}", headers = { ["X-Why"] = "unknown" } },
 *     headers = { ["Access-Control-Allow-Origin"] = "*" },
 *   }
 */
#ifndef CONFIG_PAGES_H
#define CONFIG_PAGES_H

#include "config/config.h"

struct fields; /* lua/fields.h */

void pages_read(struct config *, struct fields *root);

#endif
