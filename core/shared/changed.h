/*
 * changed - which records of a text (base/records.h) have changed since an earlier one.
 *
 * What a record is about is its kind and those of its facts that are names: name, labels, kind,
 * key, identity, and the text of a series. One that has changed, that is new, or that is gone is
 * written as a whole:
 *
 *   change   was: the record before; empty: there was none.  is: the record now; empty: none
 */
#ifndef SHARED_CHANGED_H
#define SHARED_CHANGED_H

#include "base/records.h"

void changed_write(struct slice was, struct slice is, struct buffer *out);
/* Takes the next change from the front. False: there is none. A record that was not, or is not, has
 * no kind. */
bool changed_next(struct slice *rest, struct record *was, struct record *is) MUST_USE;

#endif
