/*
 * roster_memory - what the roster is in the segment (shared/roster.h has the functions).
 */
#ifndef SHARED_ROSTER_MEMORY_H
#define SHARED_ROSTER_MEMORY_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

enum {
    ROSTER_BACKENDS_MAX = 4096,
    ROSTER_NAME_BYTES = 256, /* with the NUL */
    ROSTER_ADDRESS_BYTES = 280,
    ROSTER_TAGS_BYTES = 480,
    ROSTER_SOURCES_MAX = 16, /* of backends, of one script */
    ROSTER_SOURCE_BYTES = 256,
    ROSTER_TEXT_BYTES = 32768, /* of a list that a person gives */
};

/* Who a backend is. */
struct roster_entry {
    char name[ROSTER_NAME_BYTES];
    char address[ROSTER_ADDRESS_BYTES]; /* as it was written */
    char tags[ROSTER_TAGS_BYTES];       /* as JSON; those that have no room are left out */
    uint32_t weight, max_in_flight;     /* as the script says; 0: no limit */
    uint32_t ramp_ms;                   /* health.slow_start */
    uint32_t priority;                  /* the lowest is asked first */
    uint32_t source;                    /* which of roster_head's, + 1; 0: the script's own */
    uint32_t drains;                    /* the source says so */
};

/* Whose list it is: shared/roster.h. */
struct roster_head {
    uint64_t edition; /* of the script whose sources these are */
    uint32_t count, sources;
    char names[ROSTER_SOURCES_MAX][ROSTER_SOURCE_BYTES];
};

enum { ROSTER_OF_EARLIER = 1, ROSTER_OF_EDITION = 2 };

/* What the sources have found, by slot. */
struct roster_list {
    struct roster_head head;
    uint64_t wanted; /* of which wanted list it is */
    uint16_t slots[ROSTER_BACKENDS_MAX];
    uint8_t of[ROSTER_BACKENDS_MAX]; /* scripts of head.edition have it, or those before */
};

struct segment_wanted {                  /* the monitor's */
    alignas(64) _Atomic uint64_t number; /* odd: being written; 0: there is none */
    _Atomic uint64_t head[sizeof(struct roster_head) / 8];
    _Atomic uint64_t entries[ROSTER_BACKENDS_MAX][sizeof(struct roster_entry) / 8];
};

struct segment_list {                    /* the supervisor's */
    alignas(64) _Atomic uint64_t number; /* as above */
    _Atomic uint64_t words[sizeof(struct roster_list) / 8];
};

struct segment_given {                   /* by the admin process: PUT /backends */
    alignas(64) _Atomic uint64_t number; /* as above */
    _Atomic uint32_t is_taken;           /* the script has the source "admin" */
    _Atomic uint32_t bytes;
    _Atomic uint64_t words[ROSTER_TEXT_BYTES / 8];
};

/* One of the sources, as the monitor knows it. */
struct segment_source {
    _Atomic uint64_t heard_ms;   /* when the last list came that was believed; 0: none did */
    _Atomic uint64_t failing_ms; /* since when there is none; 0: there is */
    _Atomic uint64_t stale_us;   /* its list is of the file of --state, heard then; 0: it is not */
    _Atomic uint64_t lists, failures, kept; /* believed, not to be had, not believed */
    _Atomic uint32_t backends, held;
};

struct segment_roster {
    alignas(64) _Atomic uint32_t version; /* odd: being written; 0: nobody */
    _Atomic uint64_t words[sizeof(struct roster_entry) / 8];
};

_Static_assert(sizeof(struct roster_entry) % 8 == 0 && sizeof(struct roster_head) % 8 == 0 &&
                   sizeof(struct roster_list) % 8 == 0,
               "they are read and written word by word");

#endif
