/*
 * segment - the one piece of memory that all processes of a balancer share.
 *
 * Made before the first fork, never unmapped, touched only through C11
 * atomics, no locks. Everything in it survives the death of a process and a
 * reload. Capacities are fixed; pages that nobody touches cost nothing.
 *
 * What one worker writes with each request lies SEGMENT_APART from what another one
 * writes and from what all read with each request, so workers do not slow each other
 * down (core/README.md lists each word; spec/system/processes/cache_lines_spec.lua looks).
 */
#ifndef SHARED_SEGMENT_H
#define SHARED_SEGMENT_H

#include "base/check.h"
#include "base/cipher.h"
#include "shared/hooks.h"
#include "shared/outcome.h"
#include "shared/recent.h"
#include "shared/roster_memory.h"
#include "shared/table_memory.h"
#include "shared/totals.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Another number if a word of the segment means something else than before, and neither its size
 * nor its place says so. A build for tests has another number only to be another. */
#ifndef SEGMENT_LAYOUT
#define SEGMENT_LAYOUT 1
#endif

enum {
    SEGMENT_CACHE_LINE = 64,
    SEGMENT_APART = 128, /* a line, and its neighbour, which a core may fetch with it */
    SEGMENT_WORKERS_MAX = 256,
    SEGMENT_MONITOR = SEGMENT_WORKERS_MAX, /* places of totals behind those of the workers */
    SEGMENT_SUPERVISOR,
    SEGMENT_ADMIN,
    SEGMENT_PROCESSES,
    SEGMENT_BACKENDS_MAX = 4096,
    SEGMENT_COUNTERS_MAX = 1024,
    SEGMENT_TURNS_MAX = 1024,
    SEGMENT_SPARES_MAX = 8,   /* addresses of one name that are kept */
    SEGMENT_NAME_BYTES = 64,  /* of a counter, with the NUL behind it */
    SERIES_METRICS_MAX = 128, /* of scripts: lb.total, lb.gauge */
    SERIES_MAX = 8192,        /* values of their labels */
    SERIES_PLACES = 16384,    /* a power of two */
    SERIES_NAME_BYTES = 64,   /* each with the NUL behind it */
    SERIES_LABELS_BYTES = 144,
    SERIES_TEXT_BYTES = 224,
    CLIENTS_BY_ADDRESS_SETS = 2048, /* a power of two */
    CLIENTS_BY_ADDRESS_WAYS = 16,   /* addresses of one set that a worker can count */
    CLIENTS_BY_ADDRESS_SECRET_BYTES = 32,
    SEGMENT_PAGE = 4096,
    SEGMENT_TICKET_KEYS = 3,
    SEGMENT_TICKET_KEY_BYTES = 32,
    EVENTS_KEPT = 256, /* a power of two */
    EVENT_BYTES = 2048,
    CHANGES_KEPT = 8,
    RELOADED_BYTES = 1200,
    DECISION_BYTES = 504, /* and 8 of its version */
    DECISIONS_USUAL_MAX = 1024,
    DECISIONS_WRONG_MAX = 256,
    SPANS_KEPT = 2048, /* of each worker; a power of two */
    SPAN_BYTES = 496,  /* two words are written at a time */
};

/* What one worker adds up for one backend, in a cache line of its own. Only that worker
 * writes it (and the supervisor, after the worker's death or when the slot is given
 * back); readers sum over the workers (shared/backend_numbers.h). */
struct segment_share {
    alignas(SEGMENT_CACHE_LINE) _Atomic uint32_t in_flight;
    _Atomic uint32_t pending;  /* of them, those without a response head yet */
    _Atomic uint64_t requests; /* attempts begun */
    _Atomic uint64_t ok;       /* those that ended well; the worker's misses have the others */
    /* These lose half of what they say with each NUMBERS_MEMORY_MS; as they were at: */
    _Atomic uint64_t at_ms;
    _Atomic double samples, sum_ms, errors;
    _Atomic uint32_t holders; /* scripts of the worker that have the backend and are in use */
    _Atomic uint32_t has_misses;
};

/* The same of attempts that did not end well, which is seldom: apart, so that what is written with
 * each request stays one line. */
struct segment_misses {
    alignas(SEGMENT_APART) _Atomic uint64_t failures; /* by the backend's fault */
    _Atomic uint64_t by_outcome[ATTEMPT_OUTCOMES];
};

/* Connections of one worker to one backend. */
struct segment_pool {
    _Atomic uint32_t open; /* in any state */
    _Atomic uint32_t idle; /* those of them that no request has */
};

/* See shared/totals.h. */
struct segment_totals {
    alignas(SEGMENT_APART) struct totals totals;
};

/* One backend, as all processes see it (shared/board.h has the functions). Each
 * word changes by one compare-and-swap, so nothing is ever half changed. What is read with
 * each request is in the first line: with a thousand backends it is in no near cache any more. */
struct segment_backend {
    alignas(SEGMENT_CACHE_LINE) _Atomic uint64_t verdict; /* up, reason, code and since */
    _Atomic uint64_t ejection;       /* in, being ejected or out; how often; until when */
    _Atomic uint64_t trial_until_ms; /* somebody tries it after an ejection; 0: nobody */
    _Atomic uint32_t draining;
    _Atomic uint32_t weight;          /* in the script:16, and the one set over it:16; 0: none is */
    _Atomic uint64_t back_ms;         /* when it came back from being down, ejected or drained */
    _Atomic uint64_t ejected_ms;      /* when the last ejection began, */
    _Atomic uint64_t drained_ms;      /* and when draining did */
    _Atomic uint32_t is_used;         /* some backend of the current script is here */
    _Atomic uint32_t failures_in_row; /* written only on a change */
    alignas(SEGMENT_CACHE_LINE) _Atomic uint32_t address_version; /* odd: being written; 0: none */
    _Atomic uint32_t look; /* does the monitor look at it now? shared/evidence.c has the states */
    _Atomic uint64_t address[4]; /* a sockaddr_in or sockaddr_in6, for names only */
    _Atomic uint64_t
        connects_failed; /* in a row, of different requests:24; the last one at ms:40 */
    _Atomic uint64_t
        checks; /* good ones in a row:12, failed ones:12, for which down they count:40 */
    _Atomic uint64_t queued; /* a bit for each worker in which requests wait for a place here */
    /* Its claim is count:24, odd: being written; since when in ms:40. */
    alignas(SEGMENT_CACHE_LINE) _Atomic uint64_t error_claim;
    _Atomic uint64_t last_error[12]; /* a text with a NUL behind it */
    _Atomic uint32_t weight_known;   /* in the script, + 1; 0: nobody has said it yet */
    _Atomic uint64_t checks_passed, checks_failed; /* all there were */
    /* shared/spares.h: all addresses of its name */
    alignas(SEGMENT_CACHE_LINE) _Atomic uint32_t spares_version; /* odd: being written; 0: none */
    _Atomic uint32_t spares_count, spares_told;
    _Atomic uint64_t spares[SEGMENT_SPARES_MAX][4]; /* each a sockaddr_in or sockaddr_in6 */
    _Atomic uint64_t ejections;
    /* shared/steer.h: what a person has set, and what scripts and sources have said last */
    _Atomic uint32_t by_admin, script_drains, script_weight, list_drains;
};

struct segment_counter {
    alignas(SEGMENT_APART) _Atomic uint64_t value;
    _Atomic uint32_t state; /* 0 free, 1 being named, 2 named, 3 abandoned */
    char name[SEGMENT_NAME_BYTES];
};

/* A metric of the script's own, and one value of its labels (shared/series.h has the functions). */
struct segment_metric {
    alignas(SEGMENT_APART) _Atomic uint64_t value; /* without labels, or of all further ones */
    _Atomic uint32_t state;                        /* as of a counter */
    _Atomic uint32_t is_shown;                     /* some script that serves has it */
    _Atomic uint32_t has_others;                   /* something was counted in the value */
    _Atomic uint32_t was_told;
    _Atomic uint32_t series, series_max; /* how many values its labels have, and may have */
    uint32_t kind;
    char name[SERIES_NAME_BYTES];
    char labels[SERIES_LABELS_BYTES]; /* "tenant,plan"; empty: none */
};

struct segment_series {
    alignas(SEGMENT_APART) _Atomic uint64_t value; /* a double */
    _Atomic uint32_t is_named;
    uint32_t metric, length;
    uint64_t hash;
    char text[SERIES_TEXT_BYTES]; /* the values of the labels, with a NUL between two */
};

struct segment_own {
    struct segment_metric metrics[SERIES_METRICS_MAX];
    alignas(SEGMENT_APART) _Atomic uint32_t count; /* of the list, the first ones were ever used */
    struct segment_series list[SERIES_MAX];
    _Atomic uint32_t places[SERIES_PLACES]; /* by hash: a number in the list, + 1; 0: free */
};

/* The turn that a counter has for one source of lists (shared/turns.h). */
struct segment_turn {
    alignas(SEGMENT_APART) _Atomic uint64_t value;
    _Atomic uint64_t source; /* which counter and which source, as a hash; 0: free */
    _Atomic uint64_t seen;   /* the value when somebody last looked for a place */
};

/* One per worker slot, written by its worker. */
struct segment_worker {
    alignas(SEGMENT_APART) _Atomic uint64_t pulse; /* changes with each event of its loop */
    _Atomic uint32_t ready;                        /* accepts connections */
    _Atomic uint32_t pid;
    _Atomic uint32_t waiting;             /* requests, for a place at a backend, and */
    _Atomic uint64_t waiting_since_us;    /* since when the first of them does; 0: none */
    _Atomic uint64_t clients;             /* open client connections (shared/places.h) */
    _Atomic uint64_t clients_most;        /* of its own, and */
    _Atomic uint64_t clients_most_of_all; /* of all workers; written when settings change */
    _Atomic uint64_t requests;            /* finished exchanges */
    _Atomic uint64_t lines_dropped;       /* log lines that found no room */
    _Atomic uint64_t edition;             /* of the script that its requests begin with now */
    _Atomic uint64_t load_us;             /* how long it took to load that one */
    _Atomic uint64_t policy_errors; /* hook calls that failed and were answered by the fallback */
    _Atomic uint64_t policy_gc_pause_us; /* the longest collection that was timed */
    /* The same by hook and breach. */
    _Atomic uint32_t policy_breaches[HOOKS][BREACHES];
    struct recent calls, failed;         /* of the hooks; those that failed by the script's fault */
    _Atomic uint64_t policy_client;      /* whose call was the last one; 0: nobody's yet */
    _Atomic uint32_t policy_client_slot; /* recent_slot of when that was somebody else last */
    /* Records that there ever were, and places that were ever used (shared/decisions.h). */
    _Atomic uint32_t decisions[2], decisions_used[2];
};

/* A script that fails too often (shared/parking.h has the functions). */
struct segment_parking {
    alignas(SEGMENT_CACHE_LINE) _Atomic uint64_t parked; /* its number; 0: none is parked */
    _Atomic uint64_t cause, told_ms, since_ms;
    _Atomic uint64_t forgotten; /* how often another script has come */
    _Atomic uint32_t forgotten_slot;
    _Atomic uint32_t trials;   /* that went wrong since then */
    _Atomic uint64_t rests_ms; /* until then no call is tried, */
    _Atomic uint64_t fresh_ms; /* or until then, of a client whose calls have not failed */
    _Atomic uint64_t trial_ms; /* one is, until then at the latest; 0: none */
    alignas(SEGMENT_CACHE_LINE) struct {
        _Atomic uint64_t client, at_ms;
    } failing[2]; /* clients whose calls failed last */
};

/* Connections by client, of one worker (shared/clients_by_address.h has the functions). */
struct segment_clients_by_address_set {
    alignas(SEGMENT_CACHE_LINE) _Atomic uint64_t keys[CLIENTS_BY_ADDRESS_WAYS];
    _Atomic uint32_t counts[CLIENTS_BY_ADDRESS_WAYS];
};

struct segment_clients_by_address {
    alignas(SEGMENT_APART) _Atomic uint32_t is_used; /* something was counted, once */
    struct segment_clients_by_address_set sets[CLIENTS_BY_ADDRESS_SETS];
};

/* Keys of session tickets, on a page of their own (shared/tickets.h has the functions). */
struct segment_tickets {
    alignas(SEGMENT_PAGE) _Atomic uint32_t version; /* odd: being written; 0: there are none */
    _Atomic uint64_t keys[SEGMENT_TICKET_KEYS][SEGMENT_TICKET_KEY_BYTES / 8];
    uint64_t next_ms; /* when there is another one; the supervisor's */
};

/* shared/changes.h has the functions. */
struct change {
    uint64_t wall_us;
    char from[16], to[16], by[16]; /* texts with a NUL behind them */
    char why[72];
};

struct segment_change {
    _Atomic uint64_t hash; /* of its number and its bytes: are they whole? */
    _Atomic uint64_t words[sizeof(struct change) / 8];
};

struct segment_changes {
    _Atomic uint64_t count; /* that there ever were */
    struct segment_change ring[CHANGES_KEPT];
};

/* What became of the last reload (shared/reloaded.h has the functions). */
struct reloaded {
    uint64_t edition, ms; /* of one that was taken */
    uint32_t is_taken;
    uint32_t line;             /* where it is wrong; 0: nowhere */
    char text[RELOADED_BYTES]; /* what was kept; what has changed, with commas; or what is wrong */
};

struct segment_reloaded {
    _Atomic uint64_t count;    /* reloads that are over */
    _Atomic uint64_t began_ms; /* of one that is under way; 0: none is */
    _Atomic uint64_t words[sizeof(struct reloaded) / 8];
};

/* Events of the log (shared/events.h has the functions). */
struct segment_event {
    _Atomic uint64_t number, length, hash; /* of number, length and bytes: are they whole? */
    _Atomic uint64_t words[EVENT_BYTES / 8];
};

struct segment_events {
    alignas(SEGMENT_APART) _Atomic uint64_t count; /* that were ever begun */
    _Atomic uint32_t are_wanted;                   /* somebody reads them */
    struct segment_event ring[EVENTS_KEPT];
};

/* How requests went, of one worker (shared/decisions.h has the functions). */
struct segment_decision {
    alignas(SEGMENT_CACHE_LINE) _Atomic uint64_t version; /* odd: being written; 0: none */
    _Atomic uint64_t words[DECISION_BYTES / 8];
};

struct segment_decisions {
    alignas(SEGMENT_APART) struct segment_decision usual[DECISIONS_USUAL_MAX];
    struct segment_decision wrong[DECISIONS_WRONG_MAX];
};

/* Spans of requests, with tracing (shared/spans.h has the functions). */
struct segment_span {
    alignas(SEGMENT_CACHE_LINE) _Atomic uint64_t version; /* odd: being written */
    _Atomic uint64_t words[SPAN_BYTES / 8];
};

struct segment_spans_head {
    alignas(SEGMENT_APART) _Atomic uint64_t written; /* by the worker */
    alignas(SEGMENT_APART) _Atomic uint64_t taken;   /* by the admin process */
};

struct segment_spans {
    struct segment_spans_head heads[SEGMENT_WORKERS_MAX];
    struct segment_span rings[SEGMENT_WORKERS_MAX][SPANS_KEPT];
};

struct segment {
#if SEGMENT_LAYOUT != 1
    alignas(SEGMENT_APART) char moves[SEGMENT_APART]; /* all else lies elsewhere */
#endif
    /* Read with each request, written when something has changed. */
    alignas(SEGMENT_APART) _Atomic uint64_t generation; /* changes with every backend's state */
    _Atomic uint32_t backends_count;   /* slots that were ever used, the first ones */
    _Atomic uint32_t workers_count;    /* slots in use, the first ones; 0: not known */
    _Atomic uint32_t first_round_done; /* every backend was checked once */
    _Atomic uint32_t is_stopping;      /* the supervisor has asked all others to end */
    _Atomic uint32_t in_panic;         /* too few backends are available: all are tried */
    _Atomic uint32_t listen_port;      /* of the first address, once it is bound */
    struct segment_parking parking;
    /* Written the whole time by the monitor, which is busy with its checks; and ten times a
     * second, if a script wants to know it. */
    alignas(SEGMENT_APART) _Atomic uint64_t monitor_pulse;
    alignas(SEGMENT_APART) _Atomic uint64_t median_at_ms; /* when it was reckoned; 0: never */
    _Atomic double median_ms;                             /* of the backends' ewma_ms */
    /* Written while limits.connections is reached. */
    alignas(SEGMENT_APART) _Atomic uint32_t place_wanted; /* by this worker + 1; 0: by none */
    _Atomic uint64_t place_asked_ms;                      /* when all others were woken for it */
    /* Written by one worker each, in the steady state. */
    struct segment_worker workers[SEGMENT_WORKERS_MAX];
    alignas(SEGMENT_APART) struct segment_share shares[SEGMENT_WORKERS_MAX][SEGMENT_BACKENDS_MAX];
    struct segment_misses misses[SEGMENT_WORKERS_MAX][SEGMENT_BACKENDS_MAX];
    struct segment_totals totals[SEGMENT_PROCESSES];
    alignas(SEGMENT_APART) struct segment_pool pools[SEGMENT_WORKERS_MAX][SEGMENT_BACKENDS_MAX];
    struct segment_clients_by_address clients_by_address[SEGMENT_WORKERS_MAX];
    /* Written by any worker, as scripts may ask for it with each request. */
    struct segment_counter counters[SEGMENT_COUNTERS_MAX];
    struct segment_turn turns[SEGMENT_TURNS_MAX];
    struct segment_own own;
    struct segment_backend backends[SEGMENT_BACKENDS_MAX];
    unsigned wakes; /* shared/wake.h; never change, as what follows */
    int wake_fds[SEGMENT_WORKERS_MAX];
    uint8_t clients_by_address_secret
        [CLIENTS_BY_ADDRESS_SECRET_BYTES]; /* of their keys; never changes */
    uint32_t ids_secret[CIPHER_KEY_WORDS]; /* of the ids of requests; the same */
    int look_fd;        /* wakes the monitor; -1: it is not to be woken. Never changes */
    struct table table; /* lb.get, lb.window, lb.bucket: shared/table.h */
    struct segment_tickets tickets;
    struct segment_roster roster[SEGMENT_BACKENDS_MAX];
    struct segment_wanted wanted;
    struct segment_list list;
    struct segment_source sources[ROSTER_SOURCES_MAX]; /* of the wanted list; */
    _Atomic uint32_t sources_count;                    /* the script has so many */
    struct segment_given given;
    struct segment_events events;
    struct segment_changes changes[SEGMENT_BACKENDS_MAX];
    struct segment_reloaded reloaded;
    struct segment_decisions decisions[SEGMENT_WORKERS_MAX];
    _Atomic uint64_t log_level;  /* shared/events.h; 0: as each process was started */
    _Atomic uint32_t is_leaving; /* lb was asked to end: /ready says no from then on */
    /* The slot of each worker, + 1; 0: that of its number. The others are those of workers of a
     * program before, or free. */
    _Atomic uint32_t workers_slots[SEGMENT_WORKERS_MAX];
    /* Change with each event of the admin process, and each turn of the supervisor. */
    alignas(SEGMENT_APART) _Atomic uint64_t admin_pulse;
    alignas(SEGMENT_APART) _Atomic uint64_t supervisor_pulse;
    uint64_t started_ms;      /* lb; never change */
    uint64_t started_wall_us; /* since 1970 */
    alignas(SEGMENT_APART) struct segment_spans spans;
};

#define SEGMENT_STANDS_APART(member)                                                               \
    _Static_assert(offsetof(struct segment, member) % SEGMENT_APART == 0 &&                        \
                       sizeof(((struct segment *)0)->member[0]) % SEGMENT_APART == 0,              \
                   #member ": no two of them on one line")

SEGMENT_STANDS_APART(workers);
SEGMENT_STANDS_APART(shares);
SEGMENT_STANDS_APART(misses);
SEGMENT_STANDS_APART(totals);
SEGMENT_STANDS_APART(pools);
SEGMENT_STANDS_APART(clients_by_address);
SEGMENT_STANDS_APART(counters);
SEGMENT_STANDS_APART(turns);
SEGMENT_STANDS_APART(decisions);
_Static_assert(offsetof(struct segment_backend, address_version) == SEGMENT_CACHE_LINE,
               "what is read with each request is one line");
_Static_assert((int)ROSTER_BACKENDS_MAX == (int)SEGMENT_BACKENDS_MAX, "one for each slot");
_Static_assert(sizeof(struct segment_share) == SEGMENT_CACHE_LINE, "a request touches one line");

struct segment *segment_new(void) MUST_USE; /* NULL and errno if the system refuses */
void segment_free(struct segment *);        /* for tests and lb check; NULL is fine */
/* The same in a file that has no name: the next program in this process may map it, too. *fd: -1 if
 * the system has no such files, or none so large; then it is as segment_new's. SIGXFSZ must be
 * ignored. */
struct segment *segment_new_kept(int *fd) MUST_USE;
struct segment *segment_map(int fd) MUST_USE; /* of the same layout; NULL and errno */
uint64_t segment_layout(void); /* another one in another program: then they do not share it */

static inline struct segment_backend *segment_backend(struct segment *s, unsigned slot)
{
    CHECK(slot < SEGMENT_BACKENDS_MAX);
    return &s->backends[slot];
}

/* Was it ever used? */
static inline bool segment_has_slot(const struct segment *s, uint32_t slot)
{
    return slot < atomic_load_explicit(&s->backends_count, memory_order_relaxed);
}

/* Those that may be in use, the first ones. */
static inline unsigned segment_workers(const struct segment *s)
{
    unsigned count = atomic_load_explicit(&s->workers_count, memory_order_relaxed);

    return count == 0 || count > SEGMENT_WORKERS_MAX ? SEGMENT_WORKERS_MAX : count;
}

/* Of the workers that run, and that are not those of a program before: 0 is worker 1. */
static inline unsigned segment_slot_of(const struct segment *s, unsigned worker)
{
    unsigned slot;

    CHECK(worker < SEGMENT_WORKERS_MAX);
    slot = atomic_load_explicit(&s->workers_slots[worker], memory_order_relaxed);
    slot = slot != 0 ? slot - 1 : worker;
    CHECK(slot < SEGMENT_WORKERS_MAX);
    return slot;
}

static inline struct segment_worker *segment_worker(const struct segment *s, unsigned worker)
{
    return (struct segment_worker *)&s->workers[segment_slot_of(s, worker)];
}

/* Where the pulse of the worker in that slot is; SEGMENT_MONITOR: of the monitor. */
static inline uint64_t segment_offset_of_pulse(const struct segment *s, unsigned slot)
{
    const void *pulse = slot < SEGMENT_WORKERS_MAX ? &s->workers[slot].pulse : &s->monitor_pulse;

    return (uint64_t)((const char *)pulse - (const char *)s);
}

/* After any change of a backend's state: a reader that saw the old state has read the old
 * generation before, and will see that it is another now. Also after a process has died, perhaps
 * in the middle of a change: everybody looks again. */
static inline void segment_note_change(struct segment *s)
{
    atomic_fetch_add(&s->generation, 1);
}

/* Does a backend of the current script have the slot? */
static inline bool segment_slot_is_used(const struct segment *s, unsigned slot)
{
    CHECK(slot < SEGMENT_BACKENDS_MAX);
    return atomic_load_explicit(&s->backends[slot].is_used, memory_order_relaxed) != 0;
}

#endif
