/*
 * json_read - what stands in JSON, where it stands: nothing is copied, and nothing is trusted.
 *
 * For texts that lb has written itself. JSON that is damaged reads as if less were there.
 */
#ifndef BASE_JSON_READ_H
#define BASE_JSON_READ_H

#include "base/buffer.h"

/* The value of that member of an object, as it stands there; empty: there is none. */
struct slice json_member(struct slice object, const char *name);
/* The next element of a list, or the next member of an object; *rest begins as the whole, and is
 * behind it then. False: there are no more. */
bool json_next(struct slice *rest, struct slice *value);
bool json_next_member(struct slice *rest, struct slice *name, struct slice *value);
/* The characters of a text; of any other value itself. */
void json_append_characters(struct buffer *, struct slice value);
bool json_is(struct slice value, const char *text); /* is it that text, which needs no escapes? */

#endif
