/*
 * json - JSON into a buffer, member by member: commas come by themselves.
 *
 * name: of a member of an object; NULL: an element of a list.
 */
#ifndef ADMIN_JSON_H
#define ADMIN_JSON_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

void json_open(struct buffer *, char bracket); /* '{' or '[': the outermost, or an element */
void json_close(struct buffer *, char bracket);
void json_open_in(struct buffer *, const char *name, char bracket);
void json_text(struct buffer *, const char *name, const char *text);
void json_slice(struct buffer *, const char *name, struct slice text);
void json_number(struct buffer *, const char *name, uint64_t number);
void json_exact(struct buffer *, const char *name, double);         /* with all its digits */
void json_double(struct buffer *, const char *name, double number); /* null if it is none */
void json_seconds(struct buffer *, const char *name, uint64_t ms);
void json_flag(struct buffer *, const char *name, bool flag);
void json_null(struct buffer *, const char *name);
void json_raw(struct buffer *, const char *name, struct slice json); /* JSON as it is */

#endif
