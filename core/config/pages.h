/*
 * pages - the bodies that a script puts in the place of our own, by status:
 *
 *   pages = { [503] = "back soon", [404] = { type = "application/json", body = "{}" } }
 */
#ifndef CONFIG_PAGES_H
#define CONFIG_PAGES_H

#include "config/config.h"

struct fields; /* lua/fields.h */

enum { PAGES_LEAST = 400, PAGES_MOST = 599 };

void pages_read(struct config *, struct fields *root);

#endif
