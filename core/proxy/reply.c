#include "proxy/reply.h"

#include "base/clock.h"
#include "http/write.h"

#include <stdio.h>
#include <time.h>

const char *reply_reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } names[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {418, "I'm a teapot"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {425, "Too Early"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {451, "Unavailable For Legal Reasons"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].status == status)
            return names[i].reason;
    return "";
}

struct slice reply_text(struct arena *arena, unsigned status, struct slice why)
{
    struct slice reason = slice_of(reply_reason(status));
    struct writer w = writer_in(arena, reason.length + why.length + 32);

    write_number(&w, status);
    write_text(&w, SLICE(" "));
    write_text(&w, reason);
    if (why.length > 0) {
        write_text(&w, SLICE(": "));
        write_text(&w, why);
    }
    write_text(&w, SLICE("\n"));
    return writer_finish(&w);
}

/* RFC 9110, 5.6.7; written anew once a second. */
static struct slice reply_date(void)
{
    static char text[32];
    static time_t written;
    static size_t length;
    time_t now = (time_t)(clock_wall_us() / 1000000);
    struct tm parts;

    if (now != written && gmtime_r(&now, &parts) != NULL) {
        static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        char format[48];

        /* strftime's names of days and months would follow the locale. */
        snprintf(format, sizeof format, "%s, %%d %s %%Y %%H:%%M:%%S GMT", days[parts.tm_wday],
                 months[parts.tm_mon]);
        length = strftime(text, sizeof text, format, &parts);
        written = now;
    }
    return (struct slice){text, length};
}

static bool reply_has(const struct reply *reply, struct slice name)
{
    for (unsigned i = 0; i < reply->fields_count; i++)
        if (slice_is_nocase(reply->fields[i].name, name))
            return true;
    return false;
}

static void write_number_field(struct writer *w, struct slice name, uint64_t number)
{
    write_text(w, name);
    write_text(w, SLICE(": "));
    write_number(w, number);
    write_text(w, SLICE("\r\n"));
}

static struct slice reply_head(struct incoming *in, const struct reply *reply, bool may_have_body)
{
    size_t room = 320;
    struct writer w;

    for (unsigned i = 0; i < reply->fields_count; i++)
        room += reply->fields[i].name.length + reply->fields[i].value.length + 4;
    w = writer_in(&in->arena, room);
    write_text(&w, SLICE("HTTP/1.1 "));
    write_number(&w, reply->status);
    write_text(&w, SLICE(" "));
    write_text(&w, slice_of(reply_reason(reply->status)));
    write_text(&w, SLICE("\r\n"));
    for (unsigned i = 0; i < reply->fields_count; i++)
        write_field(&w, reply->fields[i].name, reply->fields[i].value);
    if (!reply_has(reply, SLICE("date")))
        write_field(&w, SLICE("Date"), reply_date());
    if (!reply_has(reply, SLICE("server")))
        write_field(&w, SLICE("Server"), SLICE("lb"));
    if (reply->body.length > 0 && !reply_has(reply, SLICE("content-type")))
        write_field(&w, SLICE("Content-Type"), SLICE("text/plain; charset=utf-8"));
    if (reply->retry_after_s > 0 && !reply_has(reply, SLICE("retry-after")))
        write_number_field(&w, SLICE("Retry-After"), reply->retry_after_s);
    if (may_have_body)
        write_number_field(&w, SLICE("Content-Length"), reply->body.length);
    if (in->closes)
        write_field(&w, SLICE("Connection"), SLICE("close"));
    else if (in->parse.head.version == VERSION_1_0)
        write_field(&w, SLICE("Connection"), SLICE("keep-alive"));
    write_text(&w, SLICE("\r\n"));
    return writer_finish(&w);
}

size_t reply_send(struct incoming *in, const struct reply *reply)
{
    struct stream *s = incoming_stream(in);
    bool may_have_body = reply->status != 204 && reply->status != 304;
    bool shows_body = may_have_body && !slice_is(in->parse.head.method, SLICE("HEAD"));

    incoming_begin_answer(in, false);
    stream_add(s, reply_head(in, reply, may_have_body));
    if (shows_body)
        stream_add(s, reply->body);
    stream_flush(s);
    return shows_body ? reply->body.length : 0;
}

size_t reply_error(struct incoming *in, const struct config *config, unsigned status,
                   struct slice why, unsigned retry_after_s)
{
    (void)config;
    return reply_send(in, &(struct reply){.status = status,
                                          .body = reply_text(&in->arena, status, why),
                                          .retry_after_s = retry_after_s});
}

size_t reply_last_hop(struct incoming *in)
{
    return reply_send(in, &(struct reply){.status = 200});
}

size_t reply_decided(struct incoming *in, const struct facts_decision *d)
{
    return reply_send(in, &(struct reply){.status = d->status,
                                          .body = d->body,
                                          .fields = d->fields,
                                          .fields_count = d->fields_count});
}
