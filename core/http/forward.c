#include "http/forward.h"

#include "http/write.h"

/* What may be added beside the copied fields, generously. */
enum { ADDED_BYTES_MAX = 512 };

static bool field_is(const struct field *field, struct slice name)
{
    return slice_is_nocase(field->name, name);
}

/* Of the connection, not of the message (RFC 9110, 7.6.1 and 11.7). */
static bool field_is_hop_by_hop(const struct field *field)
{
    switch (field->name.length) {
    case 2:
        return field_is(field, SLICE("te"));
    case 7:
        return field_is(field, SLICE("trailer")) || field_is(field, SLICE("upgrade"));
    case 10:
        return field_is(field, SLICE("connection")) || field_is(field, SLICE("keep-alive"));
    case 16:
        return field_is(field, SLICE("proxy-connection"));
    case 17:
        return field_is(field, SLICE("transfer-encoding"));
    case 18:
        return field_is(field, SLICE("proxy-authenticate"));
    case 19:
        return field_is(field, SLICE("proxy-authorization"));
    default:
        return false;
    }
}

/* A Connection option cannot take these away: they belong to the message. */
static bool field_is_protected(const struct field *field)
{
    return field_is(field, SLICE("host")) || field_is(field, SLICE("content-length")) ||
           field_is(field, SLICE("via"));
}

/* Does Connection name any field, beyond the usual close and keep-alive? */
static bool head_names_fields(const struct head *head)
{
    for (unsigned i = 0; i < head->fields_count; i++) {
        struct slice rest = head->fields[i].value;
        struct slice member;

        if (!field_is(&head->fields[i], SLICE("connection")))
            continue;
        while (list_next(&rest, &member))
            if (!slice_is_nocase(member, SLICE("close")) &&
                !slice_is_nocase(member, SLICE("keep-alive")))
                return true;
    }
    return false;
}

static bool field_ends_here(const struct head *head, const struct field *field, bool names_fields)
{
    if (field_is_hop_by_hop(field))
        return true;
    return names_fields && !field_is_protected(field) &&
           head_lists(head, SLICE("connection"), field->name);
}

static size_t head_length_max(const struct head *head)
{
    size_t length = ADDED_BYTES_MAX + head->method.length + head->reason.length;

    for (unsigned i = 0; i < head->fields_count; i++)
        length += head->fields[i].name.length + head->fields[i].value.length + 4;
    return length;
}

static void write_framing(struct writer *w, enum framing framing, uint64_t length)
{
    if (framing == FRAMING_CHUNKED)
        write_text(w, SLICE("Transfer-Encoding: chunked\r\n"));
    if (framing == FRAMING_COUNTED) {
        write_text(w, SLICE("Content-Length: "));
        write_number(w, length);
        write_text(w, SLICE("\r\n"));
    }
}

/* Who came before us, then the client (the de facto standard's list). */
static void write_forwarded(struct writer *w, const struct forward_request *r)
{
    write_text(w, SLICE("X-Forwarded-For: "));
    for (unsigned i = 0; i < r->head->fields_count; i++) {
        if (!field_is(&r->head->fields[i], SLICE("x-forwarded-for")) ||
            r->head->fields[i].value.length == 0)
            continue;
        write_text(w, r->head->fields[i].value);
        write_text(w, SLICE(", "));
    }
    write_text(w, r->peer_ip);
    write_text(w, SLICE("\r\n"));
    write_field(w, SLICE("X-Forwarded-Proto"), r->proto);
    write_field(w, SLICE("X-Forwarded-Host"), r->host);
    if (r->port != 0) {
        write_text(w, SLICE("X-Forwarded-Port: "));
        write_number(w, r->port);
        write_text(w, SLICE("\r\n"));
    }
}

static bool field_is_rewritten(const struct field *field)
{
    return field_is(field, SLICE("content-length")) || field_is(field, SLICE("host")) ||
           field_is(field, SLICE("x-forwarded-for")) ||
           field_is(field, SLICE("x-forwarded-proto")) ||
           field_is(field, SLICE("x-forwarded-host")) || field_is(field, SLICE("x-forwarded-port"));
}

static void write_via(struct writer *w, enum version received)
{
    write_text(w, received == VERSION_1_1 ? SLICE("Via: 1.1 lb\r\n") : SLICE("Via: 1.0 lb\r\n"));
}

struct slice forward_request_head(struct arena *arena, const struct forward_request *r)
{
    const struct head *head = r->head;
    bool names_fields = head_names_fields(head);
    size_t room =
        head_length_max(head) + r->target->origin.length + 2 * r->host.length + r->peer_ip.length;
    struct writer w = writer_in(arena, room);
    bool has_host = head_has(head, SLICE("host"));

    write_text(&w, head->method);
    write_text(&w, SLICE(" "));
    write_text(&w, r->target->origin);
    write_text(&w, SLICE(" HTTP/1.1\r\n"));
    if (!has_host)
        write_field(&w, SLICE("Host"), r->host);
    for (unsigned i = 0; i < head->fields_count; i++) {
        const struct field *field = &head->fields[i];

        if (field_is(field, SLICE("host")))
            write_field(&w, field->name, r->host);
        else if (field_is(field, SLICE("expect")) && head->version < VERSION_1_1)
            continue; /* RFC 9110, 10.1.1 */
        else if (!field_is_rewritten(field) && !field_ends_here(head, field, names_fields))
            write_field(&w, field->name, field->value);
    }
    write_framing(&w, r->framing, r->length);
    write_forwarded(&w, r);
    write_via(&w, head->version);
    write_text(&w, SLICE("\r\n"));
    return writer_finish(&w);
}

struct slice forward_response_head(struct arena *arena, const struct forward_response *r)
{
    const struct head *head = r->head;
    bool names_fields = head_names_fields(head);
    struct writer w = writer_in(arena, head_length_max(head));

    write_text(&w, SLICE("HTTP/1.1 "));
    write_number(&w, head->status);
    write_text(&w, SLICE(" "));
    write_text(&w, head->reason);
    write_text(&w, SLICE("\r\n"));
    for (unsigned i = 0; i < head->fields_count; i++) {
        const struct field *field = &head->fields[i];
        /* Without a body the length says what a body would have had (RFC 9110, 8.6);
         * an interim response and a 204 must not have one. */
        bool is_framing =
            field_is(field, SLICE("content-length")) &&
            (r->framing != FRAMING_NONE || head->status / 100 == 1 || head->status == 204);

        if (!is_framing && !field_ends_here(head, field, names_fields))
            write_field(&w, field->name, field->value);
    }
    write_via(&w, head->version);
    if (head->status >= 200) {
        write_framing(&w, r->framing, r->length);
        if (r->closes)
            write_text(&w, SLICE("Connection: close\r\n"));
        else if (r->client_version == VERSION_1_0)
            write_text(&w, SLICE("Connection: keep-alive\r\n"));
    }
    write_text(&w, SLICE("\r\n"));
    return writer_finish(&w);
}

struct slice forward_trailers(struct arena *arena, const struct head *head,
                              const struct field *trailers, unsigned count)
{
    (void)arena;
    (void)head;
    (void)trailers;
    (void)count;
    return (struct slice){"", 0};
}

bool forward_upgrade_agrees(const struct head *request, const struct head *response)
{
    (void)request;
    (void)response;
    return false;
}
