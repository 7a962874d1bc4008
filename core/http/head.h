/*
 * head - the head of a request or a response, as slices of its own bytes.
 */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include "http/field_kind.h"

#include <stdbool.h>
#include <stdint.h>

enum version { VERSION_1_0, VERSION_1_1, VERSION_2 };

struct field {
    struct slice name, value; /* the value without the white space around it */
};

/* In a head's kinds: the field's line is its name, a colon, one space, its value and CRLF, all of
 * it where the name begins. */
enum { FIELD_IS_PLAIN = 0x80 };

struct head {
    enum version version;
    struct slice method, target; /* of a request */
    unsigned status;             /* of a response */
    struct slice reason;
    struct field *fields; /* as they came: order, letter case, repetition */
    unsigned fields_count;
    /* Of each field an enum field_kind, with FIELD_IS_PLAIN or without, and a bit for each kind
     * among them; NULL: nobody has looked yet, and those below look for themselves. */
    const unsigned char *kinds;
    uint32_t seen;
};

static inline struct slice head_version(const struct head *head) /* "1.1" */
{
    static const struct slice names[] = {{"1.0", 3}, {"1.1", 3}, {"2.0", 3}};

    return names[head->version];
}

/* The value of the first field of that name in any letter case, or NULL. */
const struct slice *head_find(const struct head *, struct slice name);
/* May it have a field of that kind? If not, to look for one costs next to nothing. */
static inline bool head_may_have(const struct head *head, enum field_kind kind)
{
    return head->kinds == NULL || (head->seen >> kind & 1) != 0;
}

/* head_next without that. */
const struct field *head_search(const struct head *, enum field_kind, unsigned *at);

/* The first field of that kind from *at on, which is behind it then; NULL behind the last. */
static inline const struct field *head_next(const struct head *head, enum field_kind kind,
                                            unsigned *at)
{
    return head_may_have(head, kind) ? head_search(head, kind, at) : NULL;
}

static inline bool head_has(const struct head *head, enum field_kind kind)
{
    unsigned at = 0;

    return head->kinds != NULL ? head_may_have(head, kind) : head_search(head, kind, &at) != NULL;
}

/* Takes the next member off a comma-separated list; false at its end. Empty ones are skipped. */
bool list_next(struct slice *rest, struct slice *member);

/* The members of the one list that all fields of a kind are (RFC 9110, 5.3). Begins as
 * {.head = head, .kind = kind}. */
struct members {
    const struct head *head;
    enum field_kind kind;
    unsigned at;
    struct slice rest; /* of the field before at */
};

bool members_search(struct members *, struct slice *member); /* for members_next */

static inline bool members_next(struct members *m, struct slice *member) /* false: no more */
{
    return head_may_have(m->head, m->kind) && members_search(m, member);
}

/* Is token one of them, in any letter case? */
bool head_lists(const struct head *, enum field_kind, struct slice token);
/* 1*DIGIT that fits, and nothing else (RFC 9110, 8.6 and 7.6.2). */
bool number_read(struct slice digits, uint64_t *number);
/* May another message follow on this connection, by Connection and version (RFC 9112, 9.3)? */
bool head_keeps_alive(const struct head *);

#endif
