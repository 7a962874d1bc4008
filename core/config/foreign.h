/*
 * foreign - what does a file seem to be that is no Lua? Pure.
 *
 * Asked when a script does not compile. A guess: the compiler's own message is shown besides.
 */
#ifndef CONFIG_FOREIGN_H
#define CONFIG_FOREIGN_H

#include "base/slice.h"

/* "this is UTF-16: save it as UTF-8", or NULL. Static. */
const char *foreign_guess(struct slice text);

#endif
