/*
 * habits - words, options and settings of other servers, and what lb has in their place.
 */
#ifndef CONFIG_HABITS_H
#define CONFIG_HABITS_H

#include "lua/fields.h"

/* "lb reload", or nearly so: a sentence that says what to do, or NULL. Static. */
const char *habit_of_word(const char *word);
/* "-t": how lb is called, or NULL: "lb check FILE". Static. */
const char *habit_of_option(struct slice name);
/* Refuses a setting that only other balancers have; the message says what to write for it. */
void habits_check_settings(struct fields *root);

#endif
