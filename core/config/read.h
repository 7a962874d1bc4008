/*
 * read - the table that a script returned, to settings.
 *
 * Checks every field. If struct fields_wrong of the fields has a fault the settings are of no use.
 */
#ifndef CONFIG_READ_H
#define CONFIG_READ_H

#include "base/buffer.h"
#include "config/config.h"

struct fields; /* lua/fields.h */

/* Those that options and environment give. False and the message in *wrong, with
 * its source ("--listen: ..."). */
bool read_given(struct config *, const struct config_given *, struct buffer *wrong) MUST_USE;
/* The rest, after read_given; what is overridden is not looked at. */
void read_settings(struct config *, const struct config_given *, struct fields *root);

#endif
