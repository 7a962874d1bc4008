/*
 * head - the head of a request or a response, as slices of its own bytes.
 */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum version { VERSION_1_0, VERSION_1_1 };

struct field {
    struct slice name, value; /* the value without the white space around it */
};

struct head {
    enum version version;
    struct slice method, target; /* of a request */
    unsigned status;             /* of a response */
    struct slice reason;
    struct field *fields; /* as they came: order, letter case, repetition */
    unsigned fields_count;
};

/* The value of the first field of that name in any letter case, or NULL. */
const struct slice *head_find(const struct head *, struct slice name);
bool head_has(const struct head *, struct slice name);
/* Is token one of the comma-separated members of all fields of that name? */
bool head_lists(const struct head *, struct slice name, struct slice token);
/* Takes the next member off a comma-separated list; false at its end. Empty ones are skipped. */
bool list_next(struct slice *rest, struct slice *member);
/* 1*DIGIT that fits, and nothing else (RFC 9110, 8.6 and 7.6.2). */
bool number_read(struct slice digits, uint64_t *number);
/* Takes the next protocol off an Upgrade field's list: a token, perhaps with a version behind a
 * slash (RFC 9110, 7.8). What is none is skipped, and so is h2c, drafts of it too: it never goes on. */
bool protocol_next(struct slice *rest, struct slice *protocol);
/* May another message follow on this connection, by Connection and version (RFC 9112, 9.3)? */
bool head_keeps_alive(const struct head *);

#endif
