/*
 * body - the JSON object of a change: numbers, texts, flags and nulls by name, no lists and no
 * objects in it.
 */
#ifndef ADMIN_BODY_H
#define ADMIN_BODY_H

#include "admin/answer.h"

enum { BODY_MEMBERS_MAX = 16 };

enum body_type { BODY_NOTHING, BODY_NUMBER, BODY_TEXT, BODY_FLAG, BODY_NULL };

struct body_member {
    struct slice name, text;
    enum body_type type;
    double number;
    bool flag;
};

struct body {
    struct body_member members[BODY_MEMBERS_MAX];
    unsigned count;
    const char *wrong; /* what is wrong with it */
};

/* False: it is no such object, and wrong says why. An empty body is {}. Texts are good until the
 * next call. */
bool body_read(struct body *, struct slice json);
/* NULL: it is not there. */
const struct body_member *body_find(const struct body *, const char *name);

#endif
