#include "admin/otlp.h"

#include "admin/json.h"
#include "base/decimal.h"
#include "base/hex.h"
#include "base/log_text.h"
#include "config/command_line.h"
#include "http/target.h"

#include <unistd.h>

enum {
    TEXT_MAX = 6 * SPAN_BYTES, /* escapes included: no text is cut */
    FIXED_MAX = 2048,          /* of a span, without its texts */
    HOST_NAME_BYTES = 256,
};

#define PUT(out, literal) slice_put((out), SLICE(literal))

/* --- around them --- */

static void add_attribute(struct buffer *out, const char *name, const char *text)
{
    json_open(out, '{');
    json_text(out, "key", name);
    json_open_in(out, "value", '{');
    json_text(out, "stringValue", text);
    json_close(out, '}');
    json_close(out, '}');
}

void otlp_begin(struct buffer *out, const char *service)
{
    char host[HOST_NAME_BYTES] = "";

    buffer_append_text(out, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
    add_attribute(out, "service.name", service);
    if (gethostname(host, sizeof host - 1) == 0)
        add_attribute(out, "host.name", host);
    buffer_append_text(out, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"lb\",\"version\":\"" VERSION
                            "\"},\"spans\":[");
}

void otlp_end(struct buffer *out)
{
    buffer_append_text(out, "]}]}]}");
}

/* --- a span --- */

/* Those that the conventions name; any other text would be a client's choice. */
static bool is_known_method(struct slice method)
{
    static const char *const methods[] = {"GET",     "POST",  "PUT",     "DELETE", "HEAD",
                                          "OPTIONS", "PATCH", "CONNECT", "TRACE"};

    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (slice_is(method, slice_of(methods[i])))
            return true;
    return false;
}

static char *put_text(char *out, struct slice before, struct slice text)
{
    if (text.length == 0)
        return out;
    out = log_put_escaped(slice_put(out, before), text, TEXT_MAX, LOG_JSON);
    return PUT(out, "\"}},");
}

static char *put_number(char *out, struct slice before, uint64_t number)
{
    return PUT(decimal_put(slice_put(out, before), number), "\"}},");
}

#define TEXT(key)   SLICE("{\"key\":\"" key "\",\"value\":{\"stringValue\":\"")
#define NUMBER(key) SLICE("{\"key\":\"" key "\",\"value\":{\"intValue\":\"")

static char *put_id(char *out, struct slice before, uint64_t id)
{
    out = slice_put(out, before);
    hex_put_word(out, id);
    return PUT(out + HEX_WORD_BYTES, "\"");
}

static char *put_identity(char *out, const struct span_head *head, struct slice method)
{
    out = slice_put(PUT(out, "{\"traceId\":\""), (struct slice){head->trace, sizeof head->trace});
    out = put_id(out, SLICE("\",\"spanId\":\""), head->span);
    if (head->parent != 0)
        out = put_id(out, SLICE(",\"parentSpanId\":\""), head->parent);
    out = PUT(out, ",\"name\":\"");
    out = is_known_method(method) ? slice_put(out, method) : PUT(out, "HTTP");
    out = decimal_put(PUT(out, "\",\"kind\":"), head->kind);
    out = decimal_put(PUT(out, ",\"startTimeUnixNano\":\""), head->start_us);
    out = decimal_put(PUT(out, "000\",\"endTimeUnixNano\":\""), head->end_us);
    return PUT(out, "000\",\"attributes\":[");
}

static char *put_method(char *out, struct slice method)
{
    if (method.length == 0 || is_known_method(method))
        return put_text(out, TEXT("http.request.method"), method);
    out = put_text(out, TEXT("http.request.method"), SLICE("_OTHER"));
    return put_text(out, TEXT("http.request.method_original"), method);
}

/* "host:port", "[v6]:port", a path, or a host alone. */
static char *put_address(char *out, struct slice address)
{
    struct slice host = address, port = {"", 0};

    if (address.length > 0 && address.start[0] != '/') {
        host = host_without_port(address);
        port = host_port(address);
    }
    if (host.length > 2 && host.start[0] == '[')
        host = (struct slice){host.start + 1, host.length - 2};
    out = put_text(out, TEXT("server.address"), host);
    if (port.length > 0)
        out = PUT(slice_put(slice_put(out, NUMBER("server.port")), port), "\"}},");
    return out;
}

static char *put_error(char *out, const struct span *s)
{
    struct slice error = span_get(s, SPAN_ERROR);

    if (s->head.is_error == 0)
        return out;
    if (error.length > 0)
        return put_text(out, TEXT("error.type"), error);
    return PUT(decimal_put(slice_put(out, TEXT("error.type")), s->head.status), "\"}},");
}

static char *put_attributes(char *out, const struct span *s)
{
    static const struct slice versions[] = {{"1.0", 3}, {"1.1", 3}, {"2", 1}};
    const struct span_head *head = &s->head;
    bool is_server = head->kind == SPAN_SERVER;

    out = put_method(out, span_get(s, SPAN_METHOD));
    out = put_text(out, TEXT("url.scheme"), head->is_secure ? SLICE("https") : SLICE("http"));
    out = put_text(out, TEXT("url.path"), span_get(s, SPAN_PATH));
    out = put_address(out, span_get(s, SPAN_ADDRESS));
    out = put_text(out, is_server ? TEXT("client.address") : TEXT("lb.backend"),
                   span_get(s, SPAN_PEER));
    if (head->status != 0)
        out = put_number(out, NUMBER("http.response.status_code"), head->status);
    if (head->resends > 0)
        out = put_number(out, NUMBER("http.request.resend_count"), head->resends);
    out = put_error(out, s);
    out = put_text(out, TEXT("lb.why"), span_get(s, SPAN_WHY));
    return put_text(out, TEXT("network.protocol.version"),
                    versions[head->version < 3 ? head->version : 1]);
}

void otlp_add(struct buffer *b, const struct span *s, bool is_first)
{
    char *begin = buffer_reserve(b, FIXED_MAX + TEXT_MAX + LOG_CUT_BYTES), *out = begin;

    if (!is_first)
        out = PUT(out, ",");
    out = put_identity(out, &s->head, span_get(s, SPAN_METHOD));
    out = put_attributes(out, s) - 1; /* the last one's comma */
    out = PUT(out, "]");
    out = s->head.is_error ? PUT(out, ",\"status\":{\"code\":2}}") : PUT(out, "}");
    buffer_grow(b, (size_t)(out - begin));
}

/* --- the answer --- */

/* {"partialSuccess":{"rejectedSpans":"3"}}: a number, or the same as a text. */
uint64_t otlp_rejected(struct slice answer)
{
    static const char name[] = "\"rejectedSpans\"";
    const char *at =
        answer.length > 0 ? memmem(answer.start, answer.length, name, sizeof name - 1) : NULL;
    uint64_t number = 0;

    if (at == NULL)
        return 0;
    for (at += sizeof name - 1; at < answer.start + answer.length; at++) {
        if (ascii_is_digit(*at))
            number = number < UINT32_MAX ? number * 10 + (unsigned)(*at - '0') : number;
        else if (number > 0 || memchr(": \t\r\n\"", *at, 6) == NULL)
            break;
    }
    return number;
}
