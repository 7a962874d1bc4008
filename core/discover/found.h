/*
 * found - the list of backends that a source has found: plain data, whole or not at all.
 *
 * A list is made entry by entry, checked, and handed over in one piece (discover/source.h). What is
 * wrong with an entry is said with its place, "entry 7: ..", and then the whole list is of no use.
 */
#ifndef DISCOVER_FOUND_H
#define DISCOVER_FOUND_H

#include "base/arena.h"
#include "base/buffer.h"
#include "shared/segment.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
    FOUND_MAX = SEGMENT_BACKENDS_MAX,
    FOUND_NAME_BYTES_MAX = ROSTER_NAME_BYTES - 1,
    FOUND_ADDRESS_BYTES_MAX = ROSTER_ADDRESS_BYTES - 1,
    FOUND_TAGS_MAX = 32,
    FOUND_TAG_NAME_BYTES_MAX = 64,
    FOUND_TAGS_BYTES_MAX = ROSTER_TAGS_BYTES - 1, /* of all tags as JSON */
    FOUND_WEIGHT_MAX = 65535,
    FOUND_PRIORITY_MAX = 65535,
};

struct found_tag {
    struct slice name, value;
};

struct found {            /* one backend; {.address = .., .weight = 1} is enough */
    struct slice name;    /* empty: its address */
    struct slice address; /* as in the setting backends: "10.0.0.7:80", "[::1]:80", "app:80" */
    const struct found_tag *tags;
    uint32_t tags_count;
    uint32_t weight;        /* 0: it drains */
    uint32_t priority;      /* the lowest is asked first */
    uint32_t max_in_flight; /* 0: no limit */
    bool draining;
    /* What discover/guard.c knows of it; all zero in a list that a source has made. */
    bool is_held;      /* the source's last list leaves it out */
    bool is_fresh;     /* it came when others were held */
    uint32_t missed;   /* lists in a row that leave it out */
    uint64_t identity; /* of name and address: shared/slots.h; found_add sets it */
};

struct found_list {
    struct arena arena; /* of all texts */
    struct found *list;
    unsigned count;
};

void found_init(struct found_list *); /* empty */
void found_dispose(struct found_list *);
/* One entry more, copied. False, and the words with the place in *wrong. */
bool found_add(struct found_list *, const struct found *, struct buffer *wrong) MUST_USE;
/* The same of an IP address with its port; the entry's own address is not looked at. */
bool found_add_socket(struct found_list *, const struct sockaddr *, const struct found *,
                      struct buffer *wrong) MUST_USE;
/* All are there. False, and the words, if two have one name. */
bool found_check(const struct found_list *, struct buffer *wrong) MUST_USE;
struct found *found_copy(struct found_list *, const struct found *); /* one that was checked */

#endif
