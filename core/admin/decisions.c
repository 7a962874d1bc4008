/*
 * A piece of the list: of all wanted records older than the last one written the newest are picked,
 * and as many as fit are written.
 */
#include "admin/decisions.h"

#include "admin/json.h"
#include "base/date.h"
#include "base/decimal.h"
#include "base/utf8.h"
#include "shared/decisions.h"

#include <stdlib.h>

enum { LAST = 50, LAST_MAX = 1000, PICKED_MAX = 32, SLOWER_MS_MAX = 86400000, DATE_BYTES = 48 };

/* --- what is asked for --- */

struct wanted {
    unsigned last, status_least, status_most;
    uint64_t slower_us;
    bool is_retried, is_wrong;
    char backend[ROSTER_NAME_BYTES]; /* "": any */
};

static bool read_status(struct wanted *w, struct slice text)
{
    int status = decimal_parse(text, 999);

    if (text.length != 3)
        return false;
    if (status >= 0) {
        w->status_least = w->status_most = (unsigned)status;
        return true;
    }
    if (!slice_is(slice_from(text, 1), SLICE("xx")) || !ascii_is_digit(text.start[0]))
        return false;
    w->status_least = (unsigned)(text.start[0] - '0') * 100;
    w->status_most = w->status_least + 99;
    return true;
}

static bool read_flag(bool *flag, struct slice text)
{
    *flag = slice_is(text, SLICE("1"));
    return *flag || slice_is(text, SLICE("0"));
}

/* What is wrong with the parameters; NULL: nothing. */
static const char *read_wanted(const struct answer *a, struct wanted *w)
{
    struct slice last = answer_parameter(a, SLICE("last")),
                 backend = answer_parameter(a, SLICE("backend")),
                 status = answer_parameter(a, SLICE("status")),
                 slower = answer_parameter(a, SLICE("slower_ms")),
                 retried = answer_parameter(a, SLICE("retried")),
                 wrong = answer_parameter(a, SLICE("wrong"));
    int number = last.length > 0 ? decimal_parse(last, LAST_MAX) : LAST;
    int slower_ms = slower.length > 0 ? decimal_parse(slower, SLOWER_MS_MAX) : 0;

    *w = (struct wanted){.status_most = 999};
    if (number < 1)
        return "last is a number from 1 to 1000";
    if (slower_ms < 0)
        return "slower_ms is a number of milliseconds, such as 100";
    if (backend.length > 0 && !answer_unescape(backend, w->backend))
        return "backend is the name of a backend";
    if (status.length > 0 && !read_status(w, status))
        return "status is a status or a class of them, such as 503 or 5xx";
    if (retried.length > 0 && !read_flag(&w->is_retried, retried))
        return "retried is 1 or 0";
    if (wrong.length > 0 && !read_flag(&w->is_wrong, wrong))
        return "wrong is 1 or 0";
    w->last = (unsigned)number;
    w->slower_us = (uint64_t)slower_ms * 1000;
    return NULL;
}

static bool is_name(struct slice text, struct slice name)
{
    size_t most = DECISION_NAME_MAX - strlen("...");

    if (name.length <= DECISION_NAME_MAX)
        return slice_is(text, name);
    most = utf8_cut(name, most);
    return text.length == most + strlen("...") && memcmp(text.start, name.start, most) == 0;
}

static bool is_wanted(const struct wanted *w, const struct decision *d)
{
    bool has_backend = w->backend[0] == '\0';
    struct decision_item item;
    unsigned tries = 0;

    if (d->status < w->status_least || d->status > w->status_most || d->total_us < w->slower_us ||
        (w->is_wrong && !d->is_wrong))
        return false;
    for (size_t at = 0; decision_next(d, &at, &item);) {
        if (item.says != DECISION_TRY)
            continue;
        tries++;
        has_backend = has_backend || is_name(item.text, slice_of(w->backend));
    }
    return has_backend && (!w->is_retried || tries > 1 || d->attempts > 1 || d->retries > 0);
}

/* --- one of them --- */

static void put_ms(struct buffer *out, const char *name, uint64_t us)
{
    json_exact(out, name, (double)us / 1000);
}

static const char *name_of(enum decision_says says)
{
    static const char *const names[] = {
        [DECISION_CLIENT] = "client",
        [DECISION_METHOD] = "method",
        [DECISION_TARGET] = "path",
        [DECISION_TRACE] = "trace",
        [DECISION_NOTE] = "note",
        [DECISION_WHY] = "why",
        [DECISION_TRY_CHOSEN_BY] = "chosen_by",
        [DECISION_TRY_ERROR] = "error",
        [DECISION_TRY_SAID] = "said",
        [DECISION_TRY_THEN] = "then",
        [DECISION_TRY_DENIED] = "denied",
        [DECISION_OUT_STATE] = "state",
        [DECISION_OUT_WHY] = "why",
        [DECISION_TRY_OUTCOME] = "outcome",
    };

    return says < sizeof names / sizeof *names ? names[says] : NULL;
}

/* The texts that belong to the whole, in their order. */
static void put_texts(const struct decision *d, struct buffer *out)
{
    struct decision_item item;

    for (size_t at = 0; decision_next(d, &at, &item) && item.says <= DECISION_WHY;)
        json_slice(out, name_of(item.says), item.text);
}

/* Puts the items of one try: from behind the DECISION_TRY on. */
static void put_try(const struct decision *d, size_t at, struct buffer *out)
{
    bool has_compared = false, has_outcome = false;
    struct decision_item item;

    while (decision_next(d, &at, &item) && item.says > DECISION_TRY && item.says < DECISION_OUT) {
        bool is_compared = item.says == DECISION_TRY_COMPARED;

        if (is_compared != has_compared)
            is_compared ? json_open_in(out, "compared", '[') : json_close(out, ']');
        has_compared = is_compared;
        has_outcome |= item.says == DECISION_TRY_OUTCOME;
        if (is_compared) {
            json_open(out, '{');
            json_slice(out, "backend", item.text);
            json_double(out, "value", item.value);
            json_close(out, '}');
        } else if (item.says == DECISION_TRY_STATUS) {
            json_number(out, "status", item.number);
        } else if (item.says == DECISION_TRY_TIMES) {
            json_number(out, "times", item.number);
        } else if (name_of(item.says) != NULL) {
            json_slice(out, name_of(item.says), item.text);
        }
    }
    if (has_compared)
        json_close(out, ']');
    if (!has_outcome)
        json_text(out, "outcome", "ok");
}

static void put_tries(const struct decision *d, struct buffer *out)
{
    struct decision_item item;

    json_open_in(out, "tries", '[');
    for (size_t at = 0; decision_next(d, &at, &item);) {
        if (item.says != DECISION_TRY)
            continue;
        json_open(out, '{');
        json_slice(out, "backend", item.text);
        put_ms(out, "ms", item.number);
        put_try(d, at, out);
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void put_backends(const struct decision *d, struct buffer *out)
{
    struct decision_item item;
    bool is_open = false;

    if (!d->has_chosen)
        return;
    json_open_in(out, "backends", '{');
    json_number(out, "all", d->backends);
    json_number(out, "available", d->available);
    json_flag(out, "panic", d->is_panic);
    json_open_in(out, "out", '[');
    for (size_t at = 0; decision_next(d, &at, &item);) {
        if (is_open && item.says <= DECISION_OUT) {
            json_close(out, '}');
            is_open = false;
        }
        if (item.says == DECISION_OUT) {
            json_open(out, '{');
            json_slice(out, "name", item.text);
            json_seconds(out, "since_s", item.number);
            is_open = true;
        } else if (is_open && name_of(item.says) != NULL) {
            json_slice(out, name_of(item.says), item.text);
        }
    }
    if (is_open)
        json_close(out, '}');
    json_close(out, ']');
    json_close(out, '}');
}

static void put_explained(const struct decision *d, struct buffer *out)
{
    char key[DECISION_NAME_MAX + 1] = "";
    struct decision_item item;
    bool is_open = false;

    for (size_t at = 0; decision_next(d, &at, &item);) {
        if (item.says == DECISION_EXPLAIN_KEY && item.text.length <= DECISION_NAME_MAX) {
            memcpy(key, item.text.start, item.text.length);
            key[item.text.length] = '\0';
            continue;
        }
        if (item.says != DECISION_EXPLAIN_TEXT && item.says != DECISION_EXPLAIN_LITERAL)
            continue;
        if (!is_open)
            json_open_in(out, "explain", '{');
        is_open = true;
        if (item.says == DECISION_EXPLAIN_TEXT)
            json_slice(out, key, item.text);
        else
            json_raw(out, key, item.text);
    }
    if (is_open)
        json_close(out, '}');
}

static void put_decision(const struct admin *admin, const struct decision *d, struct buffer *out)
{
    char time[DATE_BYTES];

    date_put_utc(time, sizeof time, d->ended_us);
    json_open(out, '{');
    json_text(out, "time", time);
    json_slice(out, "id", (struct slice){d->id, strnlen(d->id, sizeof d->id)});
    json_number(out, "edition", d->edition);
    put_texts(d, out);
    json_number(out, "client_port", d->client_port);
    json_number(out, "status", d->status);
    if (d->grpc_status >= 0)
        json_number(out, "grpc_status", (uint64_t)d->grpc_status);
    json_open_in(out, "ms", '{');
    put_ms(out, "queue", d->queue_us);
    put_ms(out, "policy", d->policy_us);
    put_ms(out, "total", d->total_us);
    json_close(out, '}');
    put_backends(d, out);
    json_number(out, "attempts", d->attempts);
    json_number(out, "retries", d->retries);
    put_tries(d, out);
    json_open_in(out, "policy", '{');
    json_text(out, "script", admin->script);
    json_flag(out, "fallback", d->by_fallback);
    json_close(out, '}');
    put_explained(d, out);
    json_flag(out, "wrong", d->is_wrong);
    json_flag(out, "cut", d->is_cut);
    json_close(out, '}');
}

/* --- all of them --- */

/* Where a record is, as a number: the same time may be in several. */
static uint64_t key_of(unsigned worker, enum decisions_ring ring, unsigned place)
{
    return ((uint64_t)worker * DECISIONS_RINGS + ring) * DECISIONS_USUAL_MAX + place;
}

static bool read_at(const struct segment *s, uint64_t key, struct decision *out)
{
    uint64_t ring = key / DECISIONS_USUAL_MAX;

    return decisions_read(s, (unsigned)(ring / DECISIONS_RINGS),
                          (enum decisions_ring)(ring % DECISIONS_RINGS),
                          (unsigned)(key % DECISIONS_USUAL_MAX), out);
}

/* Calls back for each record that is whole, until that says false. */
static void for_each(const struct segment *s,
                     bool (*see)(void *owner, const struct decision *, uint64_t key), void *owner)
{
    struct decision d;

    for (unsigned worker = 0; worker < segment_workers(s); worker++)
        for (unsigned ring = 0; ring < DECISIONS_RINGS; ring++) {
            unsigned used = decisions_used(s, worker, (enum decisions_ring)ring);

            for (unsigned place = 0; place < used; place++)
                if (decisions_read(s, worker, (enum decisions_ring)ring, place, &d) &&
                    !see(owner, &d, key_of(worker, (enum decisions_ring)ring, place)))
                    return;
        }
}

struct picked {
    const struct wanted *wanted;
    uint64_t before_us, before_key; /* they are older than that one */
    unsigned count, most;
    struct {
        uint64_t ended_us, key;
    } list[PICKED_MAX]; /* the newest first */
};

static bool is_before(uint64_t one_us, uint64_t one_key, uint64_t other_us, uint64_t other_key)
{
    return one_us < other_us || (one_us == other_us && one_key < other_key);
}

static bool pick(void *owner, const struct decision *d, uint64_t key)
{
    struct picked *p = owner;
    unsigned at = p->count;

    if (!is_before(d->ended_us, key, p->before_us, p->before_key))
        return true;
    if (at == p->most && is_before(d->ended_us, key, p->list[at - 1].ended_us, p->list[at - 1].key))
        return true;
    if (!is_wanted(p->wanted, d))
        return true;
    if (p->count < p->most)
        p->count++;
    else
        at--;
    for (; at > 0 && is_before(p->list[at - 1].ended_us, p->list[at - 1].key, d->ended_us, key);
         at--)
        p->list[at] = p->list[at - 1];
    p->list[at].ended_us = d->ended_us;
    p->list[at].key = key;
    return true;
}

static enum answer_step put_picked(struct answer *a, const struct picked *p, struct buffer *out)
{
    struct decision d;

    for (unsigned i = 0; i < p->count; i++) {
        if (buffer_length(out) >= ANSWER_PIECE_BYTES)
            return ANSWER_MORE;
        a->at = p->list[i].ended_us;
        a->behind = p->list[i].key;
        if (!read_at(a->admin->segment, a->behind, &d) || d.ended_us != a->at)
            continue;
        if (a->has_items)
            buffer_append_text(out, ",\n");
        put_decision(a->admin, &d, out);
        a->has_items = true;
        a->written++;
    }
    if (p->count == p->most && a->written < p->wanted->last)
        return ANSWER_MORE;
    buffer_append_text(out, "]}\n");
    return ANSWER_DONE;
}

static enum answer_step refuse_parameter(struct answer *a, struct buffer *out, struct slice unknown,
                                         const char *nearest)
{
    return answer_error(a, out, 400, "/decisions has no parameter '%.*s'%s%s%s",
                        unknown.length > 40 ? 40 : (int)unknown.length, unknown.start,
                        nearest != NULL ? ", did you mean " : "", nearest != NULL ? nearest : "",
                        nearest != NULL ? "?" : "");
}

enum answer_step decisions_list(struct answer *a, struct buffer *out)
{
    static const char *const parameters[] = {"last",      "backend", "status",
                                             "slower_ms", "retried", "wrong"};
    static struct picked picked;
    struct wanted wanted;
    struct slice unknown;
    const char *nearest, *wrong;

    if (answer_is_asked_more(a, parameters, sizeof parameters / sizeof *parameters, &unknown,
                             &nearest))
        return refuse_parameter(a, out, unknown, nearest);
    wrong = read_wanted(a, &wanted);
    if (wrong != NULL)
        return answer_error(a, out, 400, "%s", wrong);
    if (a->at == 0) {
        json_open(out, '{');
        json_open_in(out, "decisions", '[');
        a->at = UINT64_MAX;
    }
    picked.wanted = &wanted;
    picked.before_us = a->at;
    picked.before_key = a->behind;
    picked.count = 0;
    picked.most = wanted.last - a->written < PICKED_MAX ? wanted.last - a->written : PICKED_MAX;
    for_each(a->admin->segment, pick, &picked);
    return put_picked(a, &picked, out);
}

/* --- one, by its id --- */

struct sought {
    const char *id;
    struct decision found;
    bool is_found;
};

static bool seek(void *owner, const struct decision *d, uint64_t key)
{
    struct sought *s = owner;

    (void)key;
    if (!slice_is(slice_of(s->id), (struct slice){d->id, sizeof d->id}))
        return true;
    s->found = *d;
    s->is_found = true;
    return false;
}

enum answer_step decisions_one(struct answer *a, struct buffer *out)
{
    struct sought sought = {.id = a->name};

    for_each(a->admin->segment, seek, &sought);
    if (!sought.is_found)
        return answer_error(
            a, out, 404,
            "request '%s' is not kept: it is not over, is too old, or was one of those that "
            "explain.keep and explain.seconds leave out",
            a->name);
    put_decision(a->admin, &sought.found, out);
    buffer_append_byte(out, '\n');
    return ANSWER_DONE;
}
