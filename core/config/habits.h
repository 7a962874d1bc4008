/*
 * habits - words and options that other servers have, and what lb has in their place.
 */
#ifndef CONFIG_HABITS_H
#define CONFIG_HABITS_H

#include "base/slice.h"

/* "lb reload", or nearly so: a sentence that says what to do, or NULL. Static. */
const char *habit_of_word(const char *word);
/* "-t": how lb is called, or NULL: "lb check FILE". Static. */
const char *habit_of_option(struct slice name);

#endif
