/*
 * head_lines - of a head that is forwarded: what requests and responses have in common.
 */
#ifndef HTTP_HEAD_LINES_H
#define HTTP_HEAD_LINES_H

#include "http/field_changes.h"
#include "http/framing.h"
#include "http/head.h"
#include "http/write.h"

enum { FIELD_ADDED_BYTES = sizeof ": \r\n" - 1 };

/* What is forwarded is a set of kinds. */
#define OF_KIND(kind) ((uint32_t)1 << (kind))

static inline size_t field_room(const struct field *field)
{
    return field->name.length + field->value.length + FIELD_ADDED_BYTES;
}

/* Lines that are forwarded as they came, and stood one behind the other, are a run that is copied
 * at once: each is added with write_on, and what is still in the run behind the last, or before
 * another line, is written by write_run. An empty run is all zero. */
static inline void write_run(struct writer *w, struct slice *run)
{
    if (run->length > 0)
        write_text(w, *run);
    run->length = 0;
}

static inline void write_on(struct writer *w, struct slice *run, const struct field *field,
                            bool is_plain)
{
    if (!is_plain) {
        write_run(w, run);
        write_field(w, field->name, field->value);
        return;
    }
    if (run->length == 0 || field->name.start != run->start + run->length) {
        write_run(w, run);
        run->start = field->name.start;
    }
    run->length += field_room(field);
}

void write_framing(struct writer *, enum framing, uint64_t length);
void write_via(struct writer *, enum version received);
/* changes may be NULL. */
size_t changes_room(const struct field_changes *);
void write_changes(struct writer *, const struct field_changes *, bool is_trace);

#endif
