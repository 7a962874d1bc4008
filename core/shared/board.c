/*
 * Three independent words say whether a backend is available: the verdict, the
 * ejection and draining. The first two hold everything that must agree with each
 * other, so each change is one compare-and-swap, its winner knows that it
 * was the one, and a process that dies in between leaves the old or the new.
 *
 *   verdict     up:1   reason:4   code:19   since_ms:40              (shared/verdict.h)
 *   ejection    state:2   count:6   tag:16   at_ms:40        (shared/ejection.h)
 *
 *                    failures                  limits allow it
 *          IN ---------------------> CLAIMED ------------------> OUT <---. trial
 *          ^  at: when it ended      |  at: when claimed          | `----' failed
 *          `-------------------------'                            |  at: until when
 *          ^     they do not, or the claimer died                 |
 *          `------------------------------------------------------'  any success
 *
 * Why "at most half" is exact without a lock or a count that could leak: a process
 * that wants to eject first claims its backend, then looks at all others, and counts
 * those that are claimed as if they were out. Of two that claim at once, the
 * later one sees the earlier; so the last among those that went out has
 * counted all of them. Both may see each other and both step back: too few for
 * a moment, never too many, and the next failure tries again. A claim takes
 * microseconds. If it is CLAIM_STALE_MS old, its process is dead, and any other process
 * takes the claim back. (If the process is only slow, its own step to OUT will fail: the
 * tag makes each claim another word, so the word has changed.)
 */
#include "shared/board.h"

#include "base/clock.h"
#include "shared/backend_numbers.h"
#include "shared/bytes.h"
#include "shared/evidence.h"
#include "shared/queued.h"
#include "shared/spares.h"
#include "shared/weight.h"

enum { CLAIM_STALE_MS = 1000, ADDRESS_READ_TRIES = 64 };

static const struct segment_backend *backend_seen(const struct segment *s, unsigned backend)
{
    CHECK(backend < SEGMENT_BACKENDS_MAX);
    return &s->backends[backend];
}

uint64_t board_generation(const struct segment *s)
{
    return atomic_load(&s->generation);
}

static void slot_reset(struct segment *s, unsigned slot)
{
    struct segment_backend *b = segment_backend(s, slot);
    struct verdict unchecked = {.since_ms = clock_steady_ms()};

    atomic_store(&b->verdict, verdict_pack(unchecked));
    atomic_store(&b->ejection, 0);
    atomic_store(&b->trial_until_ms, 0);
    atomic_store(&b->draining, 0);
    atomic_store(&b->address_version, 0);
    atomic_store(&b->failures_in_row, 0);
    atomic_store(&b->checks, 0);
    evidence_clear(s, slot);
    spares_clear(s, slot);
    atomic_store(&b->is_used, 1);
}

void board_init(struct segment *s, unsigned backends)
{
    CHECK(backends <= SEGMENT_BACKENDS_MAX);
    for (unsigned i = 0; i < backends; i++)
        slot_reset(s, i);
    atomic_store(&s->backends_count, backends);
    segment_note_change(s);
}

void board_open_slot(struct segment *s, unsigned slot)
{
    slot_reset(s, slot);
    if (atomic_load(&s->backends_count) <= slot)
        atomic_store(&s->backends_count, slot + 1);
    segment_note_change(s);
}

void board_leave_slot(struct segment *s, unsigned slot)
{
    atomic_store(&segment_backend(s, slot)->is_used, 0);
    segment_note_change(s);
}

/* --- verdicts --- */

struct verdict board_verdict(const struct segment *s, unsigned backend)
{
    return verdict_unpack(atomic_load(&backend_seen(s, backend)->verdict));
}

static bool verdict_set(struct segment *s, unsigned backend, struct verdict wanted)
{
    struct segment_backend *b = segment_backend(s, backend);
    uint64_t word = atomic_load(&b->verdict);

    for (;;) {
        struct verdict old = verdict_unpack(word);
        bool is_change = old.up != wanted.up || old.reason == VERDICT_UNCHECKED;

        if (!is_change && wanted.up)
            return false;
        if (!is_change)
            wanted.since_ms = old.since_ms;
        if (verdict_pack(wanted) == word)
            return false;
        if (atomic_compare_exchange_weak(&b->verdict, &word, verdict_pack(wanted)))
            return is_change;
    }
}

bool board_set_up(struct segment *s, unsigned backend, enum verdict_reason reason, int code,
                  uint64_t now_ms)
{
    struct verdict up = {.up = true, .reason = reason, .code = code, .since_ms = now_ms};
    bool is_first = board_verdict(s, backend).reason == VERDICT_UNCHECKED;

    if (!verdict_set(s, backend, up))
        return false;
    if (!is_first)
        atomic_store(&segment_backend(s, backend)->back_ms, now_ms);
    /* What failed while it was down says nothing about what came back. */
    atomic_store(&segment_backend(s, backend)->failures_in_row, 0);
    evidence_note_connected(s, backend);
    segment_note_change(s);
    return true;
}

bool board_set_down(struct segment *s, unsigned backend, enum verdict_reason reason, int code,
                    uint64_t now_ms)
{
    struct verdict down = {.reason = reason, .code = code, .since_ms = now_ms};

    if (!verdict_set(s, backend, down))
        return false;
    segment_note_change(s);
    return true;
}

/* --- ejection --- */

static bool ejection_change(struct segment_backend *b, uint64_t from, struct ejection to)
{
    return atomic_compare_exchange_strong(&b->ejection, &from, ejection_pack(to));
}

/* Takes a dead process's claim back. What it was before the claim is lost but
 * for the count. */
static bool claim_is_stale(struct segment_backend *b, uint64_t word, uint64_t now_ms)
{
    struct ejection e = ejection_unpack(word);

    if (now_ms < e.at_ms + CLAIM_STALE_MS)
        return false;
    e.state = EJECTION_IN;
    return ejection_change(b, word, e);
}

static bool backend_is_up(const struct segment_backend *b)
{
    return verdict_unpack(atomic_load(&b->verdict)).up;
}

/* May this backend, which the caller has claimed, go out? */
static bool limits_allow(struct segment *s, unsigned claimed, uint64_t now_ms)
{
    unsigned slots = atomic_load(&s->backends_count), count = 1, out = 1;
    bool another = false;

    for (unsigned i = 0; i < slots; i++) {
        struct segment_backend *b = segment_backend(s, i);
        uint64_t word = atomic_load(&b->ejection);
        struct ejection e = ejection_unpack(word);

        if (i == claimed || !segment_slot_is_used(s, i))
            continue;
        count++;
        if (e.state == EJECTION_IN ||
            (e.state == EJECTION_CLAIMED && claim_is_stale(b, word, now_ms)))
            another = another ||
                      (backend_is_up(b) && atomic_load(&b->draining) == 0 && weight_is_some(s, i));
        else
            out++;
    }
    return another && out <= count / 2 && backend_is_up(segment_backend(s, claimed));
}

static uint64_t ejection_begin(struct segment *s, unsigned backend, uint64_t word,
                               const struct ejection_rule *rule, uint64_t now_ms)
{
    struct segment_backend *b = segment_backend(s, backend);
    struct ejection was = ejection_unpack(word);
    struct ejection claim = {EJECTION_CLAIMED, was.count, was.tag + 1, now_ms};
    struct ejection out = {EJECTION_OUT, ejection_next_count(rule, was, now_ms), was.tag + 1, 0};
    uint64_t length_ms = ejection_length_ms(rule, out.count);

    if (length_ms == 0 || !ejection_change(b, word, claim))
        return 0;
    if (!limits_allow(s, backend, now_ms)) {
        was.tag++;
        (void)ejection_change(b, ejection_pack(claim), was);
        return 0;
    }
    out.at_ms = now_ms + length_ms;
    atomic_store(&b->trial_until_ms, 0); /* it is IN for everybody: nobody is on trial */
    if (!ejection_change(b, ejection_pack(claim), out))
        return 0;
    atomic_store(&b->ejected_ms, now_ms);
    segment_note_change(s);
    return length_ms;
}

/* How long it is out now: 0, not at all. */
static uint64_t count_ejection(struct segment_backend *b, uint64_t length_ms)
{
    if (length_ms > 0)
        atomic_fetch_add(&b->ejections, 1);
    return length_ms;
}

/* The trial failed. The backend stays out, so no limit is asked. */
static uint64_t ejection_extend(struct segment *s, struct segment_backend *b, uint64_t word,
                                const struct ejection_rule *rule, uint64_t now_ms)
{
    struct ejection out = ejection_unpack(word);
    uint64_t length_ms;

    out.count = ejection_next_count(rule, out, now_ms);
    length_ms = ejection_length_ms(rule, out.count);
    out.at_ms = now_ms + length_ms;
    if (!ejection_change(b, word, out))
        return 0;
    atomic_store(&b->trial_until_ms, 0);
    segment_note_change(s);
    return length_ms;
}

uint64_t board_note_failure(struct segment *s, unsigned backend, const struct ejection_rule *rule,
                            uint64_t now_ms)
{
    struct segment_backend *b = segment_backend(s, backend);
    uint32_t in_row = atomic_fetch_add(&b->failures_in_row, 1) + 1;
    uint64_t word = atomic_load(&b->ejection);
    struct ejection e = ejection_unpack(word);

    if (e.state == EJECTION_OUT)
        return now_ms >= e.at_ms && atomic_load(&b->trial_until_ms) != 0
                   ? count_ejection(b, ejection_extend(s, b, word, rule, now_ms))
                   : 0;
    if (rule->after == 0 || in_row < rule->after || !backend_is_up(b))
        return 0;
    if (e.state == EJECTION_CLAIMED) {
        (void)claim_is_stale(b, word, now_ms); /* the next failure finds it IN */
        return 0;
    }
    return count_ejection(b, ejection_begin(s, backend, word, rule, now_ms));
}

bool board_eject(struct segment *s, unsigned backend, uint64_t for_ms, uint64_t now_ms)
{
    const struct ejection_rule rule = {.for_ms = for_ms, .for_max_ms = for_ms};
    struct segment_backend *b = segment_backend(s, backend);
    uint64_t word = atomic_load(&b->ejection);
    enum ejection_state state = ejection_unpack(word).state;

    if (state == EJECTION_OUT)
        return count_ejection(b, ejection_extend(s, b, word, &rule, now_ms)) > 0;
    if (state == EJECTION_CLAIMED) {
        (void)claim_is_stale(b, word, now_ms);
        return false;
    }
    return count_ejection(b, ejection_begin(s, backend, word, &rule, now_ms)) > 0;
}

static void forget_failures(struct segment_backend *b)
{
    if (atomic_load_explicit(&b->failures_in_row, memory_order_relaxed) != 0)
        atomic_store(&b->failures_in_row, 0);
}

bool board_readmit(struct segment *s, unsigned backend)
{
    struct segment_backend *b = segment_backend(s, backend);
    uint64_t word = atomic_load_explicit(&b->ejection, memory_order_acquire);

    forget_failures(b);
    while (ejection_unpack(word).state == EJECTION_OUT) {
        struct ejection in = ejection_unpack(word);

        in.state = EJECTION_IN;
        in.at_ms = clock_steady_ms();
        if (!atomic_compare_exchange_weak(&b->ejection, &word, ejection_pack(in)))
            continue;
        atomic_store(&b->trial_until_ms, 0);
        atomic_store(&b->back_ms, in.at_ms);
        segment_note_change(s);
        return true;
    }
    return false;
}

/* Called for every good attempt: two loads unless there is news. */
bool board_note_success(struct segment *s, unsigned backend)
{
    struct segment_backend *b = segment_backend(s, backend);
    struct ejection e = ejection_unpack(atomic_load_explicit(&b->ejection, memory_order_acquire));

    forget_failures(b);
    if (e.state != EJECTION_OUT)
        return false;
    /* An attempt that began before it was ejected. */
    if (atomic_load(&b->trial_until_ms) == 0 && clock_steady_ms() < e.at_ms)
        return false;
    return board_readmit(s, backend);
}

bool board_claim_trial(struct segment *s, unsigned backend, uint64_t now_ms, uint64_t until_ms)
{
    struct segment_backend *b = segment_backend(s, backend);
    uint64_t word = atomic_load(&b->ejection);
    struct ejection e = ejection_unpack(word);
    uint64_t trial = atomic_load(&b->trial_until_ms);

    if (e.state != EJECTION_OUT)
        return true;
    if (now_ms < e.at_ms || trial > now_ms)
        return false;
    if (!atomic_compare_exchange_strong(&b->trial_until_ms, &trial, until_ms))
        return false;
    if (atomic_load(&b->ejection) != word) { /* somebody else's trial was over meanwhile */
        board_release_trial(s, backend, until_ms);
        return ejection_unpack(atomic_load(&b->ejection)).state != EJECTION_OUT;
    }
    segment_note_change(s);
    return true;
}

/* A trial of a backend that is only down changes nothing of what is available. */
void board_release_trial(struct segment *s, unsigned backend, uint64_t until_ms)
{
    struct segment_backend *b = segment_backend(s, backend);

    if (atomic_compare_exchange_strong(&b->trial_until_ms, &until_ms, 0) &&
        ejection_unpack(atomic_load(&b->ejection)).state == EJECTION_OUT)
        segment_note_change(s);
}

bool board_claim_in_need(struct segment *s, unsigned backend, uint64_t now_ms, uint64_t until_ms)
{
    struct segment_backend *b = segment_backend(s, backend);
    uint64_t trial = atomic_load(&b->trial_until_ms);

    if (backend_is_up(b) && ejection_unpack(atomic_load(&b->ejection)).state != EJECTION_OUT)
        return true;
    return trial <= now_ms && atomic_compare_exchange_strong(&b->trial_until_ms, &trial, until_ms);
}

bool board_is_claimed(const struct segment *s, unsigned backend, uint64_t now_ms)
{
    return atomic_load(&backend_seen(s, backend)->trial_until_ms) > now_ms;
}

bool board_note_reached(struct segment *s, unsigned backend, uint64_t now_ms)
{
    switch (board_verdict(s, backend).reason) {
    case VERDICT_UNCHECKED:
    case VERDICT_CONNECT:
    case VERDICT_TIMED_OUT:
    case VERDICT_TRAFFIC:
        return board_set_up(s, backend, VERDICT_TRAFFIC, 0, now_ms);
    default:
        return false;
    }
}

bool board_is_available(const struct segment *s, unsigned backend, uint64_t now_ms)
{
    const struct segment_backend *b = backend_seen(s, backend);
    struct ejection e = ejection_unpack(atomic_load(&b->ejection));

    if (!backend_is_up(b) || atomic_load(&b->draining) != 0)
        return false;
    return e.state != EJECTION_OUT ||
           (now_ms >= e.at_ms && atomic_load(&b->trial_until_ms) <= now_ms);
}

uint64_t board_next_change_ms(const struct segment *s, uint64_t now_ms)
{
    unsigned count = atomic_load(&s->backends_count);
    uint64_t next_ms = UINT64_MAX;

    for (unsigned i = 0; i < count; i++) {
        const struct segment_backend *b = backend_seen(s, i);
        struct ejection e = ejection_unpack(atomic_load(&b->ejection));
        uint64_t at_ms = now_ms < e.at_ms ? e.at_ms : atomic_load(&b->trial_until_ms);

        if (e.state == EJECTION_OUT && at_ms > now_ms && at_ms < next_ms)
            next_ms = at_ms;
    }
    return next_ms;
}

/* --- numbers --- */

uint32_t board_failures_in_row(const struct segment *s, unsigned backend)
{
    return atomic_load(&backend_seen(s, backend)->failures_in_row);
}

void board_forget_worker(struct segment *s, unsigned worker)
{
    unsigned count = atomic_load(&s->backends_count);

    CHECK(worker < SEGMENT_WORKERS_MAX);
    for (unsigned i = 0; i < count; i++) {
        numbers_forget_worker(&s->shares[worker][i]);
        numbers_forget_pool(&s->pools[worker][i]);
    }
    queued_forget_worker(s, worker);
    for (unsigned i = 0; i < count; i++)
        atomic_store(&segment_backend(s, i)->trial_until_ms, 0);
    segment_note_change(s);
}

/* --- addresses --- */

/* A seqlock of atomics. If the writer died while the version was odd, readers keep
 * what they have copied before, and the next monitor's first answer is
 * written over whatever is there, under the same odd version. */
void board_publish_address(struct segment *s, unsigned backend, const struct sockaddr *address)
{
    struct segment_backend *b = segment_backend(s, backend);
    uint32_t version = atomic_load(&b->address_version);
    struct sockaddr_in6 copy = {0};

    CHECK(address->sa_family == AF_INET || address->sa_family == AF_INET6);
    memcpy(&copy, address,
           address->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof copy);
    if (version != 0 && version % 2 == 0 && bytes_are(b->address, &copy, sizeof copy))
        return;
    version |= 1;
    atomic_store(&b->address_version, version);
    atomic_thread_fence(memory_order_release);
    bytes_write(b->address, &copy, sizeof copy);
    atomic_store_explicit(&b->address_version, version + 1 ? version + 1 : 2, memory_order_release);
    segment_note_change(s);
}

bool board_read_address(const struct segment *s, unsigned backend, uint32_t *version,
                        struct sockaddr_in6 *out)
{
    const struct segment_backend *b = backend_seen(s, backend);

    for (unsigned tries = 0; tries < ADDRESS_READ_TRIES; tries++) {
        uint32_t before = atomic_load_explicit(&b->address_version, memory_order_acquire);
        struct sockaddr_in6 seen;

        if (before == 0)
            return false;
        if (before % 2 != 0)
            continue;
        bytes_read(b->address, &seen, sizeof seen);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&b->address_version, memory_order_relaxed) != before)
            continue;
        *out = seen;
        *version = before;
        return true;
    }
    return false;
}
