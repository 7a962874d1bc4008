/*
 * elsewhere - settings by the names that other balancers give them.
 */
#ifndef CONFIG_ELSEWHERE_H
#define CONFIG_ELSEWHERE_H

#include "lua/fields.h"

/* A name that only other balancers have is wrong: the message says what there is in its place. */
void elsewhere_check(struct fields *root);

#endif
