/*
 * file - the source "file:backends.json": a list as discover/schema.h says, beside the script.
 *
 * It is read when it was saved: the folder is watched, and the file looked at each second besides.
 */
#ifndef DISCOVER_FILE_H
#define DISCOVER_FILE_H

#include "discover/source.h"

extern const struct source_kind file_kind;

/* For lb check: is each such file of the script a good list? One that is not there may come. False,
 * and what is wrong. */
bool file_check(const struct config *, struct buffer *wrong) MUST_USE;

#endif
