#include "admin/values.h"

#include "admin/body.h"
#include "admin/json.h"
#include "base/clock.h"
#include "base/log.h"
#include "shared/counters.h"
#include "shared/store.h"
#include "shared/table.h"

#include <math.h>

enum { TTL_MAX = 1000000000, COUNTER_NAMED = 2, LOOKS_MOST = 4096 /* in one turn */ };

/* --- values --- */

static void put_value(struct buffer *out, const struct table_value *value)
{
    uint64_t now_ms = clock_steady_ms();

    if (value->type == TABLE_TEXT)
        json_slice(out, "value", (struct slice){value->text, value->length});
    else if (value->type == TABLE_BOOLEAN)
        json_flag(out, "value", value->number != 0);
    else
        json_exact(out, "value", value->number);
    if (value->expires_ms > now_ms)
        json_seconds(out, "ttl_s", value->expires_ms - now_ms);
}

/* The values whose keys begin so, from a->at on. False: more follows. */
static bool put_values(struct answer *a, struct slice prefix, struct buffer *out)
{
    uint32_t cells = store_cells(a->admin->segment);

    for (unsigned looked = 0; a->at < cells; a->at++, looked++) {
        const struct table_value *value;
        struct slice key;

        if (looked == LOOKS_MOST || buffer_length(out) >= ANSWER_PIECE_BYTES)
            return false;
        value = store_at(a->admin->segment, (uint32_t)a->at, &key);
        if (value == NULL || !slice_begins(key, prefix))
            continue;
        if (a->has_items)
            buffer_append_text(out, ",\n");
        a->has_items = true;
        json_open(out, '{');
        json_slice(out, "key", key);
        put_value(out, value);
        json_close(out, '}');
    }
    return true;
}

/* ?prefix=: those whose keys begin so. */
enum answer_step values_list(struct answer *a, struct buffer *out)
{
    char prefix[ROSTER_NAME_BYTES];

    if (!answer_unescape(answer_parameter(a, SLICE("prefix")), prefix))
        return answer_error(a, out, 400, "the prefix is too long, or no text");
    if (!a->has_begun)
        buffer_append_text(out, "{\"values\":[");
    a->has_begun = true;
    if (!put_values(a, slice_of(prefix), out))
        return ANSWER_MORE;
    buffer_append_text(out, "]}\n");
    return ANSWER_DONE;
}

enum answer_step values_get(struct answer *a, struct buffer *out)
{
    const struct table_value *value = store_get(a->admin->segment, a->name, strlen(a->name));

    if (value == NULL)
        return answer_error(a, out, 404, "there is no value '%s'", a->name);
    json_open(out, '{');
    put_value(out, value);
    json_close(out, '}');
    buffer_append_byte(out, '\n');
    return ANSWER_DONE;
}

static bool take_value(const struct body *body, struct store_value *out)
{
    const struct body_member *value = body_find(body, "value"), *ttl = body_find(body, "ttl_s");

    *out = (struct store_value){.text = ""};
    if (value == NULL || value->type == BODY_NULL)
        return false;
    out->type = value->type == BODY_TEXT   ? TABLE_TEXT
                : value->type == BODY_FLAG ? TABLE_BOOLEAN
                                           : TABLE_NUMBER;
    out->number = value->type == BODY_FLAG ? value->flag : value->number;
    if (value->type == BODY_TEXT) {
        out->text = value->text.start;
        out->length = value->text.length;
    }
    if (ttl == NULL)
        return true;
    out->ttl = ttl->number;
    return ttl->type == BODY_NUMBER && ttl->number > 0 && ttl->number <= TTL_MAX;
}

/* {"value":12,"ttl_s":60}: without ttl_s for ever. */
enum answer_step values_put(struct answer *a, struct buffer *out)
{
    const struct table_value *before;
    struct store_value value;
    struct body body;
    int32_t outcome;

    if (!body_read(&body, a->body))
        return answer_error(a, out, 400, "the body: %s", body.wrong);
    if (!take_value(&body, &value))
        return answer_error(a, out, 400,
                            "expected {\"value\":V}, a number, a text, true or false, and perhaps "
                            "ttl_s in seconds");
    before = store_get(a->admin->segment, a->name, strlen(a->name));
    value.is_kept = before != NULL && before->is_kept != 0;
    outcome = store_set(a->admin->segment, a->name, strlen(a->name), &value, false);
    if (outcome == STORE_TOO_LONG)
        return answer_error(a, out, 413, "a text has %d bytes at most", TABLE_TEXT_BYTES_MAX);
    if (outcome != STORE_DONE)
        return answer_error(a, out, 507, "there is no room for another key");
    log_event(LOG_INFO, "value_set", LOG_PAIRS({"key", a->name}, {"by", "admin"}),
              "the value '%s' is set, as a person says", a->name);
    return values_get(a, out);
}

enum answer_step values_remove(struct answer *a, struct buffer *out)
{
    (void)store_remove(a->admin->segment, a->name, strlen(a->name));
    log_event(LOG_INFO, "value_removed", LOG_PAIRS({"key", a->name}, {"by", "admin"}),
              "the value '%s' is removed, as a person says", a->name);
    buffer_append_text(out, "{}\n");
    return ANSWER_DONE;
}

/* --- counters --- */

enum answer_step values_counters(struct answer *a, struct buffer *out)
{
    const struct segment *segment = a->admin->segment;

    json_open(out, '{');
    for (unsigned i = 0; i < SEGMENT_COUNTERS_MAX; i++) {
        const struct segment_counter *counter = &segment->counters[i];

        if (atomic_load(&counter->state) == COUNTER_NAMED)
            json_exact(out, counter->name, counters_get(counter));
    }
    json_close(out, '}');
    buffer_append_byte(out, '\n');
    return ANSWER_DONE;
}

/* {"add":1} */
enum answer_step values_add(struct answer *a, struct buffer *out)
{
    const struct body_member *add;
    struct segment_counter *counter;
    struct body body;

    if (!body_read(&body, a->body))
        return answer_error(a, out, 400, "the body: %s", body.wrong);
    add = body_find(&body, "add");
    if (add == NULL || add->type != BODY_NUMBER || add->number != floor(add->number) ||
        fabs(add->number) > 9007199254740992.0)
        return answer_error(a, out, 400, "expected {\"add\":N}, a whole number");
    counter = counters_find(a->admin->segment, slice_of(a->name));
    if (counter == NULL)
        return answer_error(a, out, 409,
                            "there is no room for another counter, or its name is "
                            "longer than %d bytes",
                            SEGMENT_NAME_BYTES - 1);
    json_open(out, '{');
    json_exact(out, "value", counters_add(counter, add->number));
    json_close(out, '}');
    buffer_append_byte(out, '\n');
    return ANSWER_DONE;
}
