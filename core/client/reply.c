#include "client/reply.h"

#include "base/date.h"
#include "base/decimal.h"
#include "client/client_inside.h"
#include "http/accept.h"
#include "http/grpc.h"
#include "http/reason.h"
#include "http/write.h"

/* --- bodies --- */

static struct slice reply_text(struct arena *arena, unsigned status, struct slice why)
{
    struct slice reason = slice_of(reason_of(status));
    struct writer w = writer_in(arena, reason.length + why.length + 32);

    write_number(&w, status);
    if (reason.length > 0) {
        write_text(&w, SLICE(" "));
        write_text(&w, reason);
    }
    if (why.length > 0) {
        write_text(&w, SLICE(": "));
        write_text(&w, why);
    }
    write_text(&w, SLICE("\n"));
    return writer_finish(&w);
}

/* The words are ours and have no control bytes. */
static struct slice reply_json(struct arena *arena, unsigned status, struct slice why)
{
    struct slice reason = slice_of(reason_of(status));
    struct writer w = writer_in(arena, 2 * (reason.length + why.length) + 64);

    write_text(&w, SLICE("{\"status\":"));
    write_number(&w, status);
    write_text(&w, SLICE(",\"error\":"));
    write_quoted(&w, reason);
    if (why.length > 0) {
        write_text(&w, SLICE(",\"message\":"));
        write_quoted(&w, why);
    }
    write_text(&w, SLICE("}\n"));
    return writer_finish(&w);
}

/* What a status of our own says. */
static void reply_add_body(struct reply *reply, struct incoming *in, const struct config_page *page)
{
    if (page != NULL && page->body != NULL) {
        reply->body = (struct slice){page->body, page->body_bytes};
        reply->type = slice_of(page->type);
    } else if (in->parse.has_head && accept_wants_json(incoming_head(in))) {
        reply->body = reply_json(&in->arena, reply->status, reply->why);
        reply->type = SLICE("application/json");
    } else {
        reply->body = reply_text(&in->arena, reply->status, reply->why);
    }
}

/* --- heads --- */

static bool reply_has(const struct reply *reply, struct slice name)
{
    for (unsigned i = 0; i < reply->fields_count; i++)
        if (slice_is_nocase(reply->fields[i].name, name))
            return true;
    return false;
}

static bool headers_have(const struct config_pairs *headers, struct slice name)
{
    for (unsigned i = 0; headers != NULL && i < headers->count; i++)
        if (slice_is_nocase(slice_of(headers->list[i].name), name))
            return true;
    return false;
}

static bool reply_says(const struct reply *reply, struct slice name)
{
    return reply_has(reply, name) || headers_have(reply->page_headers, name) ||
           headers_have(reply->pages_headers, name);
}

static size_t headers_room(const struct config_pairs *headers)
{
    size_t room = 0;

    for (unsigned i = 0; headers != NULL && i < headers->count; i++)
        room += strlen(headers->list[i].name) + strlen(headers->list[i].value) + 4;
    return room;
}

static size_t reply_room(const struct reply *reply, struct slice type)
{
    size_t room =
        320 + type.length + headers_room(reply->page_headers) + headers_room(reply->pages_headers);

    for (unsigned i = 0; i < reply->fields_count; i++)
        room += reply->fields[i].name.length + reply->fields[i].value.length + 4;
    return room;
}

static void write_headers(struct writer *w, const struct reply *reply,
                          const struct config_pairs *headers, const struct config_pairs *before)
{
    for (unsigned i = 0; headers != NULL && i < headers->count; i++) {
        struct slice name = slice_of(headers->list[i].name);

        if (!reply_has(reply, name) && !headers_have(before, name))
            write_field(w, name, slice_of(headers->list[i].value));
    }
}

static struct slice reply_head(struct incoming *in, const struct reply *reply, bool may_have_body)
{
    struct slice type = reply->type.length > 0 ? reply->type : SLICE("text/plain; charset=utf-8");
    struct writer w = writer_in(&in->arena, reply_room(reply, type));

    write_text(&w, SLICE("HTTP/1.1 "));
    write_number(&w, reply->status);
    write_text(&w, SLICE(" "));
    write_text(&w, slice_of(reason_of(reply->status)));
    write_text(&w, SLICE("\r\n"));
    for (unsigned i = 0; i < reply->fields_count; i++)
        write_field(&w, reply->fields[i].name, reply->fields[i].value);
    write_headers(&w, reply, reply->page_headers, NULL);
    write_headers(&w, reply, reply->pages_headers, reply->page_headers);
    if (!reply_says(reply, SLICE("date")))
        write_field(&w, SLICE("Date"), date_now());
    if (!reply_says(reply, SLICE("server")))
        write_field(&w, SLICE("Server"), SLICE("lb"));
    if (reply->body.length > 0 && !reply_has(reply, SLICE("content-type")))
        write_field(&w, SLICE("Content-Type"), type);
    if (reply->retry_after_s > 0 && !reply_says(reply, SLICE("retry-after")))
        write_decimal_field(&w, SLICE("Retry-After"), reply->retry_after_s);
    if (may_have_body)
        write_decimal_field(&w, SLICE("Content-Length"), reply->body.length);
    if (in->closes)
        write_field(&w, SLICE("Connection"), SLICE("close"));
    else if (in->parse.head.version == VERSION_1_0)
        write_field(&w, SLICE("Connection"), SLICE("keep-alive"));
    write_text(&w, SLICE("\r\n"));
    return writer_finish(&w);
}

/* --- answers --- */

/* What the setting `pages` adds to an error, and the body that it lacks. */
static void reply_complete(struct reply *reply, struct incoming *in, const struct config *config)
{
    const struct config_page *page = config_page_of(config, reply->status);

    if (reply->body.length == 0 && !reply_has(reply, SLICE("content-type")))
        reply_add_body(reply, in, page);
    reply->page_headers = page != NULL ? &page->headers : NULL;
    reply->pages_headers = &config->pages_headers;
}

enum { GRPC_WHY_MAX = 512 };

/* An error that a gRPC client can read: all of it in the head (gRPC over HTTP2, Trailers-Only). */
static void reply_speak_grpc(struct reply *reply, struct incoming *in)
{
    const struct field *own = reply->fields;
    struct field *fields =
        arena_alloc(&in->arena, (reply->fields_count + 3) * sizeof *fields); /* + those below */
    unsigned count = 0;
    struct slice why = slice_trim_lines(reply->body.length > 0 ? reply->body : reply->why);

    if (why.length == 0 || why.length > GRPC_WHY_MAX)
        why = slice_of(reason_of(reply->status));
    for (unsigned i = 0; i < reply->fields_count; i++)
        if (!slice_is_nocase(own[i].name, SLICE("content-type")))
            fields[count++] = own[i];
    fields[count++] = (struct field){SLICE("Content-Type"), GRPC_TYPE};
    if (!reply_has(reply, GRPC_STATUS)) {
        char *number = arena_alloc(&in->arena, DECIMAL_BYTES);
        const char *end = decimal_put(number, grpc_status_of(reply->status));

        fields[count++] =
            (struct field){GRPC_STATUS, (struct slice){number, (size_t)(end - number)}};
        fields[count++] = (struct field){GRPC_MESSAGE, grpc_message(&in->arena, why)};
    }
    reply->fields = fields;
    reply->fields_count = count;
    reply->body = (struct slice){"", 0};
    reply->status = 200;
}

size_t reply_send(struct incoming *in, const struct config *config, struct reply *reply)
{
    bool may_have_body = reply->status != 204 && reply->status != 304;
    bool shows_body = may_have_body && !incoming_is_head(in) && !in->is_unheard;

    if (reply->status >= 400 && in->parse.has_head && grpc_is(incoming_head(in)))
        reply_speak_grpc(reply, in);
    else if (reply->status >= 400)
        reply_complete(reply, in, config);
    incoming_begin_reply(in);
    incoming_send_reply(in, reply_head(in, reply, may_have_body),
                        shows_body ? reply->body : (struct slice){"", 0});
    return shows_body ? reply->body.length : 0;
}

/* --- the last hop --- */

/* Fields that show the way of the request. Any other may be a secret, under any name. */
static bool shows_way(const struct field *field)
{
    enum field_kind kind = field_kind_of(field->name);

    return kind == FIELD_HOST || kind == FIELD_MAX_FORWARDS ||
           slice_is_nocase(field->name, SLICE("via"));
}

static struct slice reply_trace(struct incoming *in)
{
    const struct head *head = incoming_head(in);
    size_t room = head->method.length + head->target.length + 16;
    struct writer w;

    for (unsigned i = 0; i < head->fields_count; i++)
        room += head->fields[i].name.length + head->fields[i].value.length + 4;
    w = writer_in(&in->arena, room);
    write_text(&w, head->method);
    write_text(&w, SLICE(" "));
    write_text(&w, head->target);
    write_text(&w, SLICE(" HTTP/"));
    write_text(&w, head_version(head));
    write_text(&w, SLICE("\r\n"));
    for (unsigned i = 0; i < head->fields_count; i++)
        if (shows_way(&head->fields[i]))
            write_field(&w, head->fields[i].name, head->fields[i].value);
    write_text(&w, SLICE("\r\n"));
    return writer_finish(&w);
}

size_t reply_last_hop(struct incoming *in, const struct config *config, unsigned status)
{
    const struct field allow = {
        SLICE("Allow"), config->trace ? SLICE("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE")
                                      : SLICE("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")};
    struct reply reply = {.status = status, .fields = &allow, .fields_count = 1};

    if (status == 200 && slice_is(in->parse.head.method, SLICE("TRACE")))
        reply = (struct reply){
            .status = status, .type = SLICE("message/http"), .body = reply_trace(in)};
    return reply_send(in, config, &reply);
}
