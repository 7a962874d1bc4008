#include "admin/backends.h"

#include "admin/json.h"
#include "admin/sources.h"
#include "base/clock.h"
#include "base/date.h"
#include "shared/backend_numbers.h"
#include "shared/backend_standing.h"
#include "shared/board.h"
#include "shared/changes.h"
#include "shared/steer.h"
#include "shared/weight.h"

enum { DATE_BYTES = 48 };

static const char *const standings[] = {[STANDING_UP] = "up",
                                        [STANDING_DOWN] = "down",
                                        [STANDING_EJECTED] = "ejected",
                                        [STANDING_DRAINING] = "draining"};

/* --- the members of one --- */

static void put_resolved(const struct admin *admin, unsigned slot, struct buffer *out)
{
    struct sockaddr_in6 socket;
    struct buffer text = {0};
    uint32_t version = 0;

    if (!board_read_address(admin->segment, slot, &version, &socket))
        return;
    address_format(&text, (const struct sockaddr *)&socket);
    json_slice(out, "resolved", buffer_slice(&text));
    buffer_dispose(&text);
}

const char *backends_standing_name(const struct segment *segment, unsigned slot, uint64_t now_ms)
{
    return standings[standing_of(segment, slot, now_ms)];
}

/* What it has become last, by whom, and why: "admin: bad disk". */
static bool put_last_change(const struct segment *segment, unsigned slot, const char *standing,
                            struct buffer *out)
{
    struct change changes[CHANGES_KEPT];
    unsigned count = changes_read(segment, slot, changes);

    for (unsigned i = 0; i < count; i++) {
        if (strcmp(changes[i].to, standing) != 0)
            continue;
        buffer_append_text(out, changes[i].by);
        buffer_append_text(out, changes[i].why[0] != '\0' ? ": " : "");
        buffer_append_text(out, changes[i].why);
        return true;
    }
    return false;
}

void backends_put_why(const struct segment *segment, unsigned slot, uint64_t now_ms,
                      struct buffer *out)
{
    enum backend_standing standing = standing_of(segment, slot, now_ms);
    char error[NUMBERS_ERROR_BYTES];

    if (standing == STANDING_DOWN)
        verdict_describe(out, board_verdict(segment, slot));
    else if (standing != STANDING_UP && !put_last_change(segment, slot, standings[standing], out) &&
             standing == STANDING_EJECTED && numbers_last_error(segment, slot, error))
        buffer_append_text(out, error);
}

void backends_put_state(const struct admin *admin, unsigned slot, struct buffer *out)
{
    const struct segment *segment = admin->segment;
    uint64_t now_ms = clock_steady_ms();
    enum backend_standing standing = standing_of(segment, slot, now_ms);
    uint64_t since_ms = standing_since_ms(segment, slot, now_ms);
    struct ejection ejection = ejection_unpack(atomic_load(&segment->backends[slot].ejection));
    struct buffer why = {0};

    json_text(out, "state", standings[standing]);
    json_seconds(out, "since_s", now_ms > since_ms ? now_ms - since_ms : 0);
    backends_put_why(segment, slot, now_ms, &why);
    if (buffer_length(&why) == 0)
        verdict_describe(&why, board_verdict(segment, slot));
    json_slice(out, "why", buffer_slice(&why));
    buffer_dispose(&why);
    json_flag(out, "up", board_verdict(segment, slot).up);
    json_flag(out, "available", board_is_available(segment, slot, now_ms));
    if (standing == STANDING_EJECTED && ejection.at_ms > now_ms)
        json_seconds(out, "ejected_for_s", ejection.at_ms - now_ms);
}

static void put_weight(const struct admin *admin, unsigned slot, const struct roster_entry *who,
                       struct buffer *out)
{
    json_open_in(out, "weight", '{');
    json_number(out, "now", weight_of(admin->segment, slot, who->weight));
    json_number(out, "script", who->weight);
    json_double(out, "effective",
                weight_now(admin->segment, slot, who->weight, (double)who->ramp_ms / 1000));
    json_text(out, "set_by",
              steer_has_weighed(admin->segment, slot, who->weight) ? "admin" : "script");
    json_close(out, '}');
}

static void put_changes(const struct admin *admin, unsigned slot, struct buffer *out)
{
    struct change changes[CHANGES_KEPT];
    unsigned count = changes_read(admin->segment, slot, changes);
    char time[DATE_BYTES];

    json_open_in(out, "changes", '[');
    for (unsigned i = 0; i < count; i++) {
        const struct change *c = &changes[i];

        date_put_utc(time, sizeof time, c->wall_us);
        json_open(out, '{');
        json_text(out, "time", time);
        json_text(out, "from", c->from);
        json_text(out, "to", c->to);
        json_text(out, "by", c->by);
        json_text(out, "why", c->why);
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void put_numbers(const struct admin *admin, unsigned slot, uint64_t now_ms,
                        struct buffer *out)
{
    struct segment *segment = admin->segment;
    char error[NUMBERS_ERROR_BYTES];

    json_number(out, "in_flight", numbers_in_flight(segment, slot));
    json_number(out, "pending", numbers_pending(segment, slot));
    json_number(out, "requests", numbers_requests(segment, slot));
    json_number(out, "failures", numbers_failures(segment, slot));
    json_number(out, "consecutive_failures", board_failures_in_row(segment, slot));
    json_double(out, "ewma_ms", numbers_ewma_ms(segment, slot, now_ms));
    json_double(out, "error_rate", numbers_error_rate(segment, slot, now_ms));
    if (numbers_last_error(segment, slot, error))
        json_text(out, "last_error", error);
}

bool backends_put_one(const struct admin *admin, unsigned slot, struct buffer *out)
{
    struct roster_entry who;
    uint64_t now_ms = clock_steady_ms();

    if (!segment_slot_is_used(admin->segment, slot) || !roster_read(admin->segment, slot, &who))
        return false;
    json_open(out, '{');
    json_text(out, "name", who.name);
    json_text(out, "address", who.address);
    put_resolved(admin, slot, out);
    json_text(out, "source", sources_name(admin->segment, who.source));
    json_open_in(out, "tags", '{');
    buffer_append_text(out, who.tags);
    json_close(out, '}');
    backends_put_state(admin, slot, out);
    put_weight(admin, slot, &who, out);
    if (who.max_in_flight > 0)
        json_number(out, "max_in_flight", who.max_in_flight);
    put_numbers(admin, slot, now_ms, out);
    put_changes(admin, slot, out);
    json_close(out, '}');
    return true;
}

/* --- as a row --- */

const char backends_columns[] =
    "[\"name\",\"state\",\"since_s\",\"why\",\"in_flight\",\"pending\",\"requests\",\"failures\","
    "\"ewma_ms\",\"error_rate\",\"weight\",\"weight_script\",\"set_by\"]";

bool backends_put_row(const struct admin *admin, unsigned slot, struct buffer *out)
{
    struct segment *segment = admin->segment;
    uint64_t now_ms = clock_steady_ms(), since_ms;
    struct roster_entry who;
    struct buffer why = {0};

    if (!segment_slot_is_used(segment, slot) || !roster_read(segment, slot, &who))
        return false;
    since_ms = standing_since_ms(segment, slot, now_ms);
    backends_put_why(segment, slot, now_ms, &why);
    json_open(out, '[');
    json_text(out, NULL, who.name);
    json_text(out, NULL, backends_standing_name(segment, slot, now_ms));
    json_seconds(out, NULL, now_ms > since_ms ? now_ms - since_ms : 0);
    json_slice(out, NULL, buffer_slice(&why));
    json_number(out, NULL, numbers_in_flight(segment, slot));
    json_number(out, NULL, numbers_pending(segment, slot));
    json_number(out, NULL, numbers_requests(segment, slot));
    json_number(out, NULL, numbers_failures(segment, slot));
    json_double(out, NULL, numbers_ewma_ms(segment, slot, now_ms));
    json_double(out, NULL, numbers_error_rate(segment, slot, now_ms));
    json_number(out, NULL, weight_of(segment, slot, who.weight));
    json_number(out, NULL, who.weight);
    json_text(out, NULL, steer_has_weighed(segment, slot, who.weight) ? "admin" : "script");
    json_close(out, ']');
    buffer_dispose(&why);
    return true;
}

/* --- all of them --- */

bool backends_put(struct answer *a, uint64_t first, struct buffer *out)
{
    uint64_t count = atomic_load(&a->admin->segment->backends_count);

    for (; a->at - first < count; a->at++) {
        size_t before = out->end;

        if (buffer_length(out) >= ANSWER_PIECE_BYTES)
            return false;
        if (a->has_items)
            buffer_append_text(out, ",\n");
        if (backends_put_one(a->admin, (unsigned)(a->at - first), out))
            a->has_items = true;
        else
            out->end = before;
    }
    return true;
}

/* at: 0 before the first byte; then the next slot + 1. */
enum answer_step backends_all(struct answer *a, struct buffer *out)
{
    if (a->at == 0) {
        json_open(out, '{');
        json_open_in(out, "backends", '[');
        a->at = 1;
    }
    if (!backends_put(a, 1, out))
        return ANSWER_MORE;
    buffer_append_text(out, "]}\n");
    return ANSWER_DONE;
}

enum answer_step backends_one(struct answer *a, struct buffer *out)
{
    unsigned slot = roster_find(a->admin->segment, a->name);

    if (slot == SEGMENT_BACKENDS_MAX || !backends_put_one(a->admin, slot, out))
        return answer_error(a, out, 404, "no backend is called '%s'", a->name);
    buffer_append_byte(out, '\n');
    return ANSWER_DONE;
}
