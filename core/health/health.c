/*
 *   IDLE --round--> RESOLVING --an answer, or a known address--> PROBING ---.
 *     ^                 |                                         |    ^    | the next
 *     |                 `--no such name--.                  passed|    |    | address
 *     |                                  v               or failed|    `----'
 *     `----------------------------- the verdict <----------------'
 *
 * With an asker ASKING takes the place of PROBING, for all addresses of a name at once.
 * An address without a name goes from IDLE to PROBING. The time for the whole
 * check is shared out: resolving has half of it if there is an address from an
 * earlier answer, and each address has its part of what is left.
 */
#include "health/health.h"

#include "base/log.h"
#include "base/mem.h"
#include "health/pace.h"
#include "health/probe.h"
#include "health/tally.h"
#include "net/deadline.h"
#include "net/resolve.h"
#include "net/shortage.h"
#include "shared/board.h"
#include "shared/evidence.h"
#include "shared/spares.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { LOCAL_ERROR_LOG_MS = 60000 };

enum checker_state { CHECKER_IDLE, CHECKER_RESOLVING, CHECKER_PROBING, CHECKER_ASKING };
enum outcome { OUTCOME_NONE, OUTCOME_PASSED, OUTCOME_FAILED, OUTCOME_LOCAL };

struct checker {
    struct health *health;
    const struct config_backend *backend;
    unsigned place;
    bool is_removed;
    enum checker_state state;
    struct pace pace;
    struct deadline limit; /* while RESOLVING or ASKING */

    struct resolve resolve; /* may still be busy in later rounds */
    struct probe probe;
    struct sockaddr_in6 addresses[RESOLVE_ADDRESSES_MAX]; /* the last answer, published one first */
    unsigned addresses_count;
    unsigned tried;             /* of them, in this check */
    struct sockaddr_in6 target; /* the address that is being tried */

    enum outcome outcome; /* of this check, as far as it is known */
    struct tally tally;   /* what is known of this check, and the last ones */
    bool is_checked;      /* at least once */
};

struct health {
    struct loop *loop;
    const struct config *config;
    struct segment *segment;
    struct health_asker *asker; /* NULL: probes */
    const struct health_events *events;
    void *owner;
    unsigned unchecked; /* backends, and one more while others may still be added */
    struct log_interval local_errors;
    unsigned capacity, removed; /* removed ones that are not gone */
    struct checker *checkers[]; /* by place; NULL: nobody has it */
};

static void checker_try(struct checker *), checker_go(struct checker *);

/* The picture at the top. The limit is that of a state, and goes with it. */
static void checker_enter(struct checker *c, enum checker_state state)
{
    CHECK((c->state == CHECKER_IDLE) != (state == CHECKER_IDLE) ||
          (c->state != CHECKER_ASKING && state >= CHECKER_PROBING));
    deadline_clear(&c->limit);
    c->state = state;
}

static bool checker_has_name(const struct checker *c)
{
    return c->backend->address.kind == ADDRESS_NAME;
}

/* --- verdicts --- */

static void note_local_error(struct checker *c)
{
    struct health *h = c->health;
    const char *why =
        c->tally.code == -ETIME ? "lb stood still meanwhile" : strerror(-c->tally.code);

    totals_add(TOTALS_CHECKS_SKIPPED, 1);
    if (log_interval_count(&h->local_errors, loop_now_ms(h->loop), LOCAL_ERROR_LOG_MS) == 0)
        return;
    log_event(LOG_WARN, "check_skipped", LOG_PAIRS({"backend", c->backend->name}, {"reason", why}),
              "%s could not be checked: %s", c->backend->name, why);
}

/* --- rounds --- */

static void note_first_check(struct health *h)
{
    if (--h->unchecked == 0)
        h->events->on_first_round(h->owner);
}

static void checker_finish(struct checker *c)
{
    struct health *h = c->health;
    bool was_checked = c->is_checked;

    checker_enter(c, CHECKER_IDLE);
    if (c->is_removed) {
        checker_go(c);
        return;
    }
    if (c->outcome == OUTCOME_FAILED && pace_is_late(&c->pace)) {
        c->outcome = OUTCOME_LOCAL;
        c->tally.code = -ETIME;
        if (pace_repeat(&c->pace))
            return;
    }
    if (c->outcome == OUTCOME_PASSED && checker_has_name(c))
        board_publish_address(h->segment, c->backend->slot, (struct sockaddr *)&c->target);
    pace_end(&c->pace);
    c->is_checked = true;
    if (c->outcome == OUTCOME_PASSED)
        tally_note_success(&c->tally, c->pace.began_ms, loop_now_ms(h->loop));
    else if (c->outcome == OUTCOME_FAILED)
        tally_note_failure(&c->tally, c->pace.began_ms, loop_now_ms(h->loop));
    else
        note_local_error(c);
    if (!was_checked)
        note_first_check(h);
}

/* The first failure of a check is the one to report: it is the published address's. A matter of our
 * own says nothing about the backend, unless another address of it has failed. One address that
 * passes is enough. */
static void checker_note(struct checker *c, enum outcome outcome, enum verdict_reason reason,
                         int code)
{
    if (c->outcome == OUTCOME_FAILED && outcome != OUTCOME_PASSED)
        return;
    c->outcome = outcome;
    c->tally.reason = reason;
    c->tally.code = code;
}

/* --- probing --- */

/* Whatever is wrong with an address, another one of the same name may do, unless
 * it is a matter of our own. */
static void on_probed(struct probe *probe)
{
    static const enum outcome outcomes[] = {[PROBE_PASSED] = OUTCOME_PASSED,
                                            [PROBE_FAILED] = OUTCOME_FAILED,
                                            [PROBE_NO_WAY] = OUTCOME_LOCAL,
                                            [PROBE_SHORT] = OUTCOME_LOCAL};
    struct checker *c = list_entry(probe, struct checker, probe);

    CHECK(c->state == CHECKER_PROBING);
    c->tried++;
    checker_note(c, outcomes[probe->outcome], probe->reason, probe->code);
    if (probe->why != NULL)
        tally_set_tls(&c->tally, probe->why);
    if (probe->outcome == PROBE_PASSED || probe->outcome == PROBE_SHORT)
        checker_finish(c);
    else
        checker_try(c);
}

static void checker_probe(struct checker *c, uint64_t limit_ms)
{
    const struct sockaddr *to = &c->backend->address.socket.any;

    if (checker_has_name(c)) {
        c->target = c->addresses[c->tried];
        to = (struct sockaddr *)&c->target;
    }
    checker_enter(c, CHECKER_PROBING);
    probe_start(&c->probe, to, limit_ms);
}

/* Whatever address the script asks: workers go to the first. */
static void checker_ask(struct checker *c, uint64_t limit_ms)
{
    struct health *h = c->health;

    c->tried = UINT_MAX - 1;
    if (checker_has_name(c))
        c->target = c->addresses[0];
    checker_enter(c, CHECKER_ASKING);
    deadline_set(h->loop, &c->limit, limit_ms);
    h->asker->ask(h->asker, c->place);
}

static void checker_end_asking(struct checker *c, bool is_up, struct slice words)
{
    c->outcome = is_up ? OUTCOME_PASSED : OUTCOME_FAILED;
    tally_set_words(&c->tally, words);
    checker_finish(c);
}

void health_answer(struct health *h, unsigned backend, bool is_up, struct slice reason)
{
    struct checker *c = h->checkers[backend];

    if (c != NULL && c->state == CHECKER_ASKING)
        checker_end_asking(c, is_up, reason);
}

static void checker_give_up_asking(struct checker *c)
{
    struct health *h = c->health;
    char words[64];

    h->asker->cancel(h->asker, c->place);
    snprintf(words, sizeof words, "the check took longer than %g s",
             (double)h->config->health.timeout_ms / 1000);
    checker_end_asking(c, false, slice_of(words));
}

/* The next address, or the end of the check if there is none, or no time. */
static void checker_try(struct checker *c)
{
    uint64_t ends_ms = c->pace.began_ms + c->health->config->health.timeout_ms;
    uint64_t now_ms = loop_now_ms(c->health->loop);
    unsigned count = checker_has_name(c) ? c->addresses_count : 1;

    if (c->tried < count && now_ms < ends_ms && !c->is_removed) {
        if (c->health->asker != NULL)
            checker_ask(c, ends_ms - now_ms);
        else
            checker_probe(c, (ends_ms - now_ms) / (count - c->tried));
        return;
    }
    if (c->outcome == OUTCOME_NONE &&
        !c->is_removed) /* the answer came too late for anything to be tried */
        checker_note(c, OUTCOME_FAILED, VERDICT_UNRESOLVED, 0);
    checker_finish(c);
}

/* --- resolving --- */

static bool is_definite(int code)
{
    return code == UV_EAI_NONAME || code == UV_EAI_NODATA || code == UV_EAI_ADDRFAMILY;
}

static bool same_address(const struct sockaddr_in6 *a, const struct sockaddr_in6 *b)
{
    return memcmp(a, b, a->sin6_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof *a) == 0;
}

/* Several of one family: an IPv4 and an IPv6 address probably belong to one machine. */
static void log_several(struct checker *c)
{
    unsigned most = 0;
    const struct config_backend *b = c->backend;
    const char *number = LOG_NUMBER(c->addresses_count);
    char room[ADDRESS_HOST_BYTES];
    struct slice first = address_host_in(room, (const struct sockaddr *)&c->addresses[0]);

    for (unsigned i = 0; i < c->addresses_count; i++)
        most += c->addresses[i].sin6_family == AF_INET;
    most = most < c->addresses_count - most ? c->addresses_count - most : most;
    if (most < 2 || !spares_claim_telling(c->health->segment, b->slot))
        return;
    log_event(
        LOG_WARN, "backend_addresses", LOG_PAIRS({"backend", b->name}, {"#addresses", number}),
        "%s has %s addresses and is one backend: requests go to %.*s, and to another one when a "
        "connect there fails. To use all at once make each a backend: \"dns:%s:%u\"",
        b->name, number, (int)first.length, first.start, b->address.host, b->address.port);
}

/* Keeps the answer, with the published address first if it is one of them; the
 * first answer of all is published whatever a connect to it may say. */
static void keep_addresses(struct checker *c, const struct sockaddr_in6 *addresses, unsigned count)
{
    struct sockaddr_in6 published, first;
    uint32_t version;

    memcpy(c->addresses, addresses, count * sizeof *addresses);
    c->addresses_count = count;
    spares_publish(c->health->segment, c->backend->slot, addresses, count);
    if (!board_read_address(c->health->segment, c->backend->slot, &version, &published)) {
        board_publish_address(c->health->segment, c->backend->slot,
                              (const struct sockaddr *)addresses);
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        if (same_address(&published, &c->addresses[i])) {
            first = c->addresses[i];
            memmove(&c->addresses[1], &c->addresses[0], i * sizeof first);
            c->addresses[0] = first;
            return;
        }
    }
}

/* There is no new answer: the last one will do, or the check fails. */
static void checker_do_without(struct checker *c, int code)
{
    if (code == UV_EAI_MEMORY || shortage_explains(code))
        checker_note(c, OUTCOME_LOCAL, VERDICT_UNRESOLVED, -ENOMEM);
    else if (is_definite(code) || c->addresses_count == 0)
        checker_note(c, OUTCOME_FAILED, VERDICT_UNRESOLVED, code);
    if (c->outcome == OUTCOME_NONE)
        checker_try(c);
    else
        checker_finish(c);
}

/* An answer that comes when the check does without it is for what is left of this check, and for
 * the next. */
static void on_resolved(struct resolve *r, const struct sockaddr_in6 *addresses, unsigned count,
                        int code)
{
    struct checker *c = list_entry(r, struct checker, resolve);

    if (c->is_removed) {
        checker_go(c);
        return;
    }
    if (count > 0) {
        keep_addresses(c, addresses, count);
        log_several(c);
    }
    if (c->state != CHECKER_RESOLVING) {
        if (count > 0)
            c->tried = UINT_MAX; /* so that on_probed continues with the first */
        return;
    }
    if (count == 0) {
        checker_do_without(c, code);
        return;
    }
    checker_try(c);
}

/* At most one lookup per name is under way, or a resolver that hangs would fill all threads. */
static void checker_resolve(struct checker *c)
{
    uint64_t timeout_ms = c->health->config->health.timeout_ms;
    const struct address *address = &c->backend->address;
    int status = 0;

    checker_enter(c, CHECKER_RESOLVING);
    if (!c->resolve.is_busy)
        status = resolve_start(&c->resolve, c->health->loop, address->host, address->port);
    if (status != 0)
        checker_do_without(c, status);
    else
        deadline_set(c->health->loop, &c->limit,
                     c->addresses_count > 0 ? timeout_ms / 2 : timeout_ms);
}

/* --- time --- */

static void on_round(struct pace *pace)
{
    struct checker *c = list_entry(pace, struct checker, pace);

    c->outcome = OUTCOME_NONE;
    c->tried = 0;
    if (checker_has_name(c))
        checker_resolve(c);
    else
        checker_try(c);
}

static void on_limit(struct deadline *d)
{
    struct checker *c = list_entry(d, struct checker, limit);
    struct health *h = c->health;
    unsigned place = c->place;

    if (c->is_removed) {
        pace_stop(&c->pace);
        probe_dispose(&c->probe);
        mem_free(c);
        h->removed--;
        h->events->on_removed(h->owner, place);
    } else if (c->state == CHECKER_ASKING) {
        checker_give_up_asking(c);
    } else {
        checker_do_without(c, 0);
    }
}

/* Of one that was removed: it is freed in an event of its own, when nothing is under way. */
static void checker_go(struct checker *c)
{
    if (c->state == CHECKER_RESOLVING)
        checker_enter(c, CHECKER_IDLE);
    if (c->state == CHECKER_IDLE && !c->resolve.is_busy)
        deadline_set(c->health->loop, &c->limit, 0);
}

/* --- who is checked --- */

void health_add(struct health *h, unsigned place, const struct config_backend *backend)
{
    struct checker *c = mem_zalloc(sizeof *c);
    uint32_t version;

    CHECK(place < h->capacity && h->checkers[place] == NULL);
    c->health = h;
    c->backend = backend;
    c->place = place;
    tally_init(&c->tally, h->config, c->backend, h->segment);
    c->resolve.on_resolved = on_resolved;
    probe_init(&c->probe, h->loop, h->config, c->backend, on_probed);
    deadline_init(&c->limit, on_limit);
    /* What an earlier monitor has found out is still good. */
    if (board_read_address(h->segment, c->backend->slot, &version, &c->addresses[0]))
        c->addresses_count = 1;
    pace_init(&c->pace, h->loop, h->segment, c->backend->slot, h->config->health.interval_ms,
              on_round);
    h->checkers[place] = c;
    h->unchecked++;
}

void health_remove(struct health *h, unsigned place)
{
    struct checker *c = h->checkers[place];

    h->checkers[place] = NULL;
    c->is_removed = true;
    h->removed++;
    pace_stop(&c->pace);
    if (c->state == CHECKER_ASKING) {
        h->asker->cancel(h->asker, c->place);
        checker_enter(c, CHECKER_IDLE);
    }
    checker_go(c);
    if (!c->is_checked)
        note_first_check(h);
}

void health_note_all_added(struct health *h)
{
    note_first_check(h);
}

struct health *health_new(struct loop *loop, const struct config *config, struct segment *segment,
                          unsigned capacity, const struct health_events *events, void *owner)
{
    struct health *h = mem_zalloc(sizeof *h + capacity * sizeof(struct checker *));

    h->loop = loop;
    h->config = config;
    h->segment = segment;
    h->capacity = capacity;
    h->events = events;
    h->owner = owner;
    h->unchecked = 1;
    return h;
}

void health_ask(struct health *h, struct health_asker *asker)
{
    h->asker = asker;
    for (unsigned i = 0; i < h->capacity; i++) {
        struct checker *c = h->checkers[i];

        if (c == NULL || c->state != CHECKER_ASKING)
            continue;
        checker_enter(c, CHECKER_IDLE); /* nobody answers any more: from the start */
        pace_restart(&c->pace);
    }
}

void health_look(struct health *h)
{
    evidence_hear(h->segment);
    for (unsigned i = 0; i < h->capacity; i++)
        if (h->checkers[i] != NULL)
            pace_look(&h->checkers[i]->pace);
}

void health_describe(const struct health *h, unsigned backend, struct buffer *out)
{
    if (h->checkers[backend] != NULL)
        tally_describe(&h->checkers[backend]->tally, out);
}

bool health_is_resolving(const struct health *h)
{
    if (h->removed > 0)
        return true;
    for (unsigned i = 0; i < h->capacity; i++)
        if (h->checkers[i] != NULL && h->checkers[i]->resolve.is_busy)
            return true;
    return false;
}
