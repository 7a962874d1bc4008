#include "proxy/access_log.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/outlet.h"

enum { SHOWN_MAX = 1024, ADDRESS_SHOWN = 64 };

static struct buffer line; /* of this process; its memory is used again and again */
static size_t shown;       /* bytes of the target, and a quarter of that of other texts */

static void append(const char *text)
{
    buffer_append_text(&line, text);
}

/* Milliseconds with three decimals. */
static void append_ms(uint64_t us)
{
    unsigned rest = (unsigned)(us % 1000);

    buffer_append_number(&line, us / 1000);
    buffer_append_byte(&line, '.');
    buffer_append_byte(&line, (char)('0' + rest / 100));
    buffer_append_byte(&line, (char)('0' + rest / 10 % 10));
    buffer_append_byte(&line, (char)('0' + rest % 10));
}

static void append_words(const char *text, enum log_format format)
{
    log_append_escaped(&line, slice_of(text), shown / 4, format);
}

static struct slice or_dash(struct slice text)
{
    return text.length > 0 ? text : SLICE("-");
}

/* --- for eyes --- */

static void append_text_tries(const struct access_record *r)
{
    buffer_printf(&line, " %u/%u [", r->attempts, r->retries);
    for (const struct access_try *t = r->tries; t != NULL; t = t->next) {
        append_words(t->backend, LOG_TEXT);
        append(" ");
        append(t->outcome);
        append(" ");
        append_ms(t->us);
        append(t->next ? " ms, " : " ms]");
    }
}

static void append_text_explained(const struct access_record *r)
{
    for (const struct facts_pair *p = r->explained; p != NULL; p = p->next) {
        append(p == r->explained ? " (" : ", ");
        log_append_foreign(&line, p->key, shown / 4, LOG_TEXT);
        append(" ");
        log_append_foreign(&line, p->value, shown, LOG_TEXT);
    }
    if (r->explained != NULL)
        append(")");
}

static void append_text_record(const struct access_record *r)
{
    log_append_time(&line, clock_wall_us(), LOG_TEXT);
    append(" ");
    buffer_append(&line, or_dash(r->client_ip));
    append(" ");
    log_append_foreign(&line, or_dash(r->method), shown / 4, LOG_TEXT);
    append(" ");
    log_append_foreign(&line, or_dash(r->target), shown, LOG_TEXT);
    append(" ");
    buffer_append_number(&line, r->status);
    append(" ");
    buffer_append_number(&line, r->bytes_out);
    append(" B ");
    append_ms(r->total_us);
    append(" ms ");
    append_words(r->backend ? r->backend : "-", LOG_TEXT);
    if (r->tries != NULL && (r->tries->next != NULL || r->status == 499 || r->note != NULL))
        append_text_tries(r);
    if (r->by_fallback)
        append(" (fallback)");
    if (r->why.length > 0) {
        append(" (");
        log_append_foreign(&line, r->why, shown / 4, LOG_TEXT);
        append(")");
    }
    append_text_explained(r);
    if (r->note != NULL && !slice_is(r->why, slice_of(r->note))) {
        append(" (");
        append(r->note);
        append(")");
    }
}

/* --- for machines --- */

static void append_json_foreign(const char *name, struct slice text, size_t limit)
{
    append(",\"");
    append(name);
    append("\":\"");
    log_append_foreign(&line, text, limit, LOG_JSON);
    append("\"");
}

static void append_json_words(const char *name, const char *text)
{
    append(name);
    append("\"");
    append_words(text, LOG_JSON);
    append("\"");
}

static void append_json_number(const char *name, uint64_t number)
{
    append(",\"");
    append(name);
    append("\":");
    buffer_append_number(&line, number);
}

static void append_json_ms(const char *name, bool known, uint64_t us)
{
    append(name);
    if (known)
        append_ms(us);
    else
        append("null");
}

static void append_json_tries(const struct access_record *r)
{
    append(",\"tries\":[");
    for (const struct access_try *t = r->tries; t != NULL; t = t->next) {
        append_json_words("{\"backend\":", t->backend);
        append(",\"outcome\":\"");
        append(t->outcome);
        append("\",\"ms\":");
        append_ms(t->us);
        append(t->next ? "}," : "}");
    }
    append("]");
}

static void append_json_explained(const struct access_record *r)
{
    for (const struct facts_pair *p = r->explained; p != NULL; p = p->next) {
        append(p == r->explained ? ",\"explain\":{\"" : ",\"");
        log_append_foreign(&line, p->key, shown / 4, LOG_JSON);
        append("\":\"");
        log_append_foreign(&line, p->value, shown, LOG_JSON);
        append("\"");
    }
    if (r->explained != NULL)
        append("}");
}

static void append_json_record(const struct access_record *r)
{
    append("{\"time\":\"");
    log_append_time(&line, clock_wall_us(), LOG_JSON);
    append("\"");
    append_json_foreign("id", r->id, ADDRESS_SHOWN);
    append_json_foreign("client", r->client_ip, ADDRESS_SHOWN);
    append_json_number("client_port", r->client_port);
    append_json_foreign("method", r->method, shown / 4);
    append_json_foreign("path", r->target, shown);
    if (r->version != NULL)
        append_json_words(",\"version\":", r->version);
    else
        append(",\"version\":null");
    append_json_number("status", r->status);
    append_json_number("bytes_in", r->bytes_in);
    append_json_number("bytes_out", r->bytes_out);
    append_json_ms(",\"ms\":{\"queue\":", true, r->queue_us);
    append_json_ms(",\"connect\":", r->has_connect, r->connect_us);
    append_json_ms(",\"first_byte\":", r->has_first_byte, r->first_byte_us);
    append_json_ms(",\"total\":", true, r->total_us);
    append("}");
    if (r->backend != NULL)
        append_json_words(",\"backend\":", r->backend);
    append_json_number("attempts", r->attempts);
    append_json_number("retries", r->retries);
    append_json_tries(r);
    append_json_words(",\"policy\":{\"script\":", r->script);
    append(r->by_fallback ? ",\"fallback\":true}" : ",\"fallback\":false}");
    if (r->why.length > 0)
        append_json_foreign("why", r->why, shown / 4);
    append_json_explained(r);
    if (r->note != NULL)
        append_json_words(",\"note\":", r->note);
    append("}");
}

struct access_try *access_try_add(struct arena *arena, struct access_try **list,
                                  struct access_try *last, const char *backend)
{
    struct access_try *t = arena_zalloc(arena, sizeof *t);

    t->backend = backend;
    t->outcome = "none";
    if (last != NULL)
        last->next = t;
    else
        *list = t;
    return t;
}

void access_log_write(const struct access_record *r)
{
    if (!log_wants(LOG_INFO))
        return;
    /* Less of each text until the line is one that needs no cut: whatever the client
     * sent, what follows its words is there, and JSON is JSON. */
    for (shown = SHOWN_MAX; shown > 0; shown /= 2) {
        buffer_clear(&line);
        if (log_line_format() == LOG_JSON)
            append_json_record(r);
        else
            append_text_record(r);
        if (buffer_length(&line) < OUTLET_LINE_BYTES_MAX)
            break;
    }
    log_line(buffer_slice(&line));
}
