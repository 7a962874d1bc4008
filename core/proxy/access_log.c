#include "proxy/access_log.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "base/log.h"
#include "base/outlet.h"
#include "http/head.h"

enum { SHOWN_MAX = 1024 };

static size_t shown; /* bytes of the target, and a quarter of that of other texts */

/* Each function that puts writes at out, where access_log_write has made room for the whole record,
 * and gives the place behind what it wrote. */

#define PUT(out, literal) slice_put((out), SLICE(literal))

/* Milliseconds with three decimals. */
static char *put_ms(char *out, uint64_t us)
{
    out = decimal_put(out, us / 1000);
    *out++ = '.';
    return decimal_put_three(out, (unsigned)(us % 1000));
}

/* Words of ours or of the script, in its author's language, unlike what clients send. */
static char *put_words(char *out, struct slice text, enum log_format format)
{
    return log_put_escaped(out, text, shown / 4, format);
}

static struct slice or_dash(struct slice text)
{
    return text.length > 0 ? text : SLICE("-");
}

/* --- what the setting log asks for --- */

/* The values of all fields of that name, as one list (RFC 9110, 5.3), within the quotes of JSON. */
static char *put_header(char *out, const struct head *head, const char *name)
{
    const char *begin = out, *value;
    size_t left = shown / 2;

    for (unsigned i = 0; i < head->fields_count; i++) {
        if (!slice_is_nocase(head->fields[i].name, slice_of(name)))
            continue;
        if (left < 4)
            return PUT(out, "...");
        if (out != begin)
            out = PUT(out, ", ");
        value = out;
        out = log_put_foreign(out, head->fields[i].value, left - 2, LOG_JSON);
        left -= 2;
        if ((size_t)(out - value) > left)
            return out; /* it was cut */
        left -= (size_t)(out - value);
    }
    return out;
}

static bool has_header(const struct access_record *r, const char *name)
{
    return r->head != NULL && head_find(r->head, slice_of(name)) != NULL;
}

static char *put_text_more(char *out, const struct access_record *r)
{
    const struct config_log *more = r->more;

    if (more->host)
        out = log_put_foreign(PUT(out, " host="), or_dash(r->host), shown / 4, LOG_TEXT);
    for (unsigned i = 0; i < more->headers_count; i++) {
        out = slice_put(PUT(out, " "), slice_of(more->headers[i]));
        if (has_header(r, more->headers[i]))
            out = PUT(put_header(PUT(out, "=\""), r->head, more->headers[i]), "\"");
        else
            out = PUT(out, "=-");
    }
    return out;
}

static char *put_json_more(char *out, const struct access_record *r)
{
    const struct config_log *more = r->more;
    const char *before = "\"";

    if (more->host)
        out = PUT(log_put_foreign(PUT(out, ",\"host\":\""), r->host, shown / 4, LOG_JSON), "\"");
    if (more->headers_count == 0)
        return out;
    out = PUT(out, ",\"headers\":{");
    for (unsigned i = 0; i < more->headers_count; i++) {
        if (!has_header(r, more->headers[i]))
            continue;
        out = slice_put(slice_put(out, slice_of(before)), slice_of(more->headers[i]));
        out = PUT(put_header(PUT(out, "\":\""), r->head, more->headers[i]), "\"");
        before = ",\"";
    }
    return PUT(out, "}");
}

/* --- for eyes --- */

static char *put_text_tries(char *out, const struct access_record *r)
{
    out = decimal_put(PUT(out, " "), r->attempts);
    out = decimal_put(PUT(out, "/"), r->retries);
    out = PUT(out, " [");
    for (const struct access_try *t = r->tries; t != NULL; t = t->next) {
        out = put_words(out, slice_of(t->backend), LOG_TEXT);
        out = slice_put(PUT(out, " "), slice_of(t->outcome));
        out = put_ms(PUT(out, " "), t->us);
        out = t->next ? PUT(out, " ms, ") : PUT(out, " ms]");
    }
    return out;
}

static char *put_text_explained(char *out, const struct access_record *r)
{
    for (const struct facts_pair *p = r->explained; p != NULL; p = p->next) {
        out = p == r->explained ? PUT(out, " (") : PUT(out, ", ");
        out = put_words(out, p->key, LOG_TEXT);
        out = log_put_escaped(PUT(out, " "), p->value, shown, LOG_TEXT);
    }
    return r->explained != NULL ? PUT(out, ")") : out;
}

static char *put_text_record(char *out, const struct access_record *r)
{
    out = log_put_time(out, clock_wall_at(r->ended_us), LOG_TEXT);
    out = slice_put(PUT(out, " "), or_dash(r->client_ip));
    out = log_put_foreign(PUT(out, " "), or_dash(r->method), shown / 4, LOG_TEXT);
    out = log_put_foreign(PUT(out, " "), or_dash(r->target), shown, LOG_TEXT);
    out = decimal_put(PUT(out, " "), r->status);
    out = decimal_put(PUT(out, " "), r->bytes_out);
    out = put_ms(PUT(out, " B "), r->total_us);
    out = put_words(PUT(out, " ms "), slice_of(r->backend ? r->backend : "-"), LOG_TEXT);
    if (r->tries != NULL && (r->tries->next != NULL || r->status == 499 || r->note != NULL))
        out = put_text_tries(out, r);
    if (r->by_fallback)
        out = PUT(out, " (fallback)");
    if (r->grpc_status >= 0)
        out = PUT(decimal_put(PUT(out, " (grpc-status "), (uint64_t)r->grpc_status), ")");
    if (r->why.length > 0)
        out = PUT(put_words(PUT(out, " ("), r->why, LOG_TEXT), ")");
    out = put_text_explained(out, r);
    if (r->note != NULL && !slice_is(r->why, slice_of(r->note)))
        out = PUT(put_words(PUT(out, " ("), slice_of(r->note), LOG_TEXT), ")");
    if (r->more != NULL)
        out = put_text_more(out, r);
    if (r->trace.length > 0)
        out = slice_put(PUT(out, " trace="), r->trace);
    return slice_put(PUT(out, " "), r->id);
}

/* --- for machines --- */

/* Between quotes of JSON. */
static char *put_quoted(char *out, const char *text)
{
    return PUT(put_words(PUT(out, "\""), slice_of(text), LOG_JSON), "\"");
}

static char *put_json_ms(char *out, bool is_known, uint64_t us)
{
    return is_known ? put_ms(out, us) : PUT(out, "null");
}

static char *put_json_tries(char *out, const struct access_record *r)
{
    out = PUT(out, ",\"tries\":[");
    for (const struct access_try *t = r->tries; t != NULL; t = t->next) {
        out = put_quoted(PUT(out, "{\"backend\":"), t->backend);
        out = slice_put(PUT(out, ",\"outcome\":\""), slice_of(t->outcome));
        out = put_ms(PUT(out, "\",\"ms\":"), t->us);
        out = t->next ? PUT(out, "},") : PUT(out, "}");
    }
    return PUT(out, "]");
}

static char *put_json_explained(char *out, const struct access_record *r)
{
    for (const struct facts_pair *p = r->explained; p != NULL; p = p->next) {
        out = p == r->explained ? PUT(out, ",\"explain\":{\"") : PUT(out, ",\"");
        out = put_words(out, p->key, LOG_JSON);
        if (p->is_literal)
            out = slice_put(PUT(out, "\":"), p->value);
        else
            out = PUT(log_put_escaped(PUT(out, "\":\""), p->value, shown, LOG_JSON), "\"");
    }
    return r->explained != NULL ? PUT(out, "}") : out;
}

static char *put_json_times(char *out, const struct access_record *r)
{
    if (r->queue_us == 0) /* as for most requests */
        out = PUT(out, ",\"ms\":{\"queue\":0.000,\"policy\":");
    else
        out = PUT(put_ms(PUT(out, ",\"ms\":{\"queue\":"), r->queue_us), ",\"policy\":");
    out = put_ms(out, r->policy_us);
    out = put_json_ms(PUT(out, ",\"connect\":"), r->has_connect, r->connect_us);
    out = put_json_ms(PUT(out, ",\"first_byte\":"), r->has_first_byte, r->first_byte_us);
    out = put_ms(PUT(out, ",\"total\":"), r->total_us);
    if (r->tls != NULL && r->is_first)
        out = put_ms(PUT(out, ",\"tls\":"), r->tls->handshake_us);
    return PUT(out, "}");
}

static char *put_json_or_null(char *out, struct slice text)
{
    if (text.length == 0)
        return PUT(out, "null");
    return PUT(log_put_foreign(PUT(out, "\""), text, shown / 4, LOG_JSON), "\"");
}

static char *put_json_tls(char *out, const struct tls_said *tls)
{
    out = slice_put(PUT(out, ",\"tls\":{\"version\":\""), tls->version);
    out = slice_put(PUT(out, "\",\"cipher\":\""), tls->cipher);
    out = put_json_or_null(PUT(out, "\",\"name\":"), tls->name);
    out = put_json_or_null(PUT(out, ",\"alpn\":"), tls->alpn);
    out = tls->resumed ? PUT(out, ",\"resumed\":true") : PUT(out, ",\"resumed\":false");
    if (tls->client != NULL && tls->client->error.length == 0)
        out = put_json_or_null(PUT(out, ",\"client\":"), tls->client->subject);
    return PUT(out, "}");
}

static char *put_json_version(char *out, const struct access_record *r)
{
    if (r->version.length > 0)
        out = PUT(slice_put(PUT(out, "\",\"version\":\""), r->version), "\"");
    else
        out = PUT(out, "\",\"version\":null");
    return r->stream != 0 ? decimal_put(PUT(out, ",\"stream\":"), r->stream) : out;
}

static char *put_json_record(char *out, const struct access_record *r)
{
    out = log_put_time(PUT(out, "{\"time\":\""), clock_wall_at(r->ended_us), LOG_JSON);
    out = slice_put(PUT(out, "\",\"id\":\""), r->id);
    if (r->trace.length > 0)
        out = slice_put(PUT(out, "\",\"trace\":\""), r->trace);
    out = slice_put(PUT(out, "\",\"client\":\""), r->client_ip);
    out = decimal_put(PUT(out, "\",\"client_port\":"), r->client_port);
    out = log_put_foreign(PUT(out, ",\"method\":\""), r->method, shown / 4, LOG_JSON);
    out = log_put_foreign(PUT(out, "\",\"path\":\""), r->target, shown, LOG_JSON);
    out = put_json_version(out, r);
    out = decimal_put(PUT(out, ",\"status\":"), r->status);
    if (r->grpc_status >= 0)
        out = decimal_put(PUT(out, ",\"grpc_status\":"), (uint64_t)r->grpc_status);
    out = decimal_put(PUT(out, ",\"bytes_in\":"), r->bytes_in);
    out = decimal_put(PUT(out, ",\"bytes_out\":"), r->bytes_out);
    if (r->more != NULL)
        out = put_json_more(out, r);
    out = put_json_times(out, r);
    if (r->tls != NULL)
        out = put_json_tls(out, r->tls);
    if (r->backend != NULL)
        out = put_quoted(PUT(out, ",\"backend\":"), r->backend);
    out = decimal_put(PUT(out, ",\"attempts\":"), r->attempts);
    out = decimal_put(PUT(out, ",\"retries\":"), r->retries);
    out = put_json_tries(out, r);
    out = put_quoted(PUT(out, ",\"policy\":{\"script\":"), r->script);
    out = r->by_fallback ? PUT(out, ",\"fallback\":true}") : PUT(out, ",\"fallback\":false}");
    if (r->why.length > 0)
        out = PUT(put_words(PUT(out, ",\"why\":\""), r->why, LOG_JSON), "\"");
    out = put_json_explained(out, r);
    if (r->note != NULL)
        out = put_quoted(PUT(out, ",\"note\":"), r->note);
    return PUT(out, "}");
}

/* --- a line --- */

/* No record is longer, in either format. */
static size_t line_room(const struct access_record *r)
{
    enum { NAMES_AND_NUMBERS = 1024, OF_A_TRY = 128, OF_A_PAIR = 16 + DECIMAL_OF_DOUBLE_BYTES };
    const size_t word = shown / 4 + LOG_CUT_BYTES, text = shown + LOG_CUT_BYTES;
    size_t room =
        NAMES_AND_NUMBERS + r->id.length + r->trace.length + r->client_ip.length + text + 6 * word;

    if (r->tls != NULL)
        room += r->tls->version.length + r->tls->cipher.length + 3 * word;
    for (unsigned i = 0; r->more != NULL && i < r->more->headers_count; i++)
        room += strlen(r->more->headers[i]) + OF_A_PAIR + text;
    for (const struct access_try *t = r->tries; t != NULL; t = t->next)
        room += OF_A_TRY + word;
    for (const struct facts_pair *p = r->explained; p != NULL; p = p->next)
        room += OF_A_PAIR + word + text;
    return room;
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
    size_t length = OUTLET_LINE_BYTES_MAX;

    /* Less of each text until the line needs no cut: whatever the client
     * sent, what follows its words is there, and JSON is JSON. */
    for (shown = SHOWN_MAX; shown > 0 && length >= OUTLET_LINE_BYTES_MAX; shown /= 2) {
        size_t room = line_room(r);
        char *line = log_begin_line(room), *end;

        if (line == NULL)
            return;
        end = log_line_format() == LOG_JSON ? put_json_record(line, r) : put_text_record(line, r);
        length = (size_t)(end - line);
        CHECK(length <= room);
    }
    log_end_line(length);
}
