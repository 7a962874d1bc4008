/*
 * Of a response, and of trailers; requests are in forward_request.c. hop says what each field is;
 * request_keeps and response_keeps say what is forwarded. The lines that we add stand in one order,
 * so that a head has one form only.
 */
#include "http/forward.h"

#include "http/head_lines.h"
#include "http/hop_fields.h"

/* All that a head may get besides what is copied or counted in response_room, at its longest. */
enum {
    RESPONSE_ADDED_BYTES_MAX = sizeof "HTTP/1.1 4294967295 \r\n"
                                      "Date: \r\n"
                                      "Via: 1.1 lb\r\n"
                                      "Content-Length: 18446744073709551615\r\n"
                                      "Connection: upgrade, keep-alive\r\n"
                                      "\r\n",
};

/* A 426 says what a client could ask for (RFC 9110, 15.5.22); any other offer would be of a
 * protocol that this backend speaks, on a connection that is not the client's. HTTP/2 has no such
 * field (RFC 9113, 8.2.2). */
static bool response_keeps_upgrade(const struct forward_response *r)
{
    return r->client_version < VERSION_2 && (r->is_upgrade || r->head->status == 426);
}

static uint32_t response_keeps(const struct forward_response *r)
{
    unsigned status = r->head->status;
    /* To a client nothing is ours to say but Via. */
    uint32_t dropped = OF_KIND(FIELD_CONNECTION) | OF_KIND(FIELD_HOP) | OF_KIND(FIELD_NAMED) |
                       OF_KIND(FIELD_TE) | OF_KIND(FIELD_TRANSFER_ENCODING);

    if (!response_keeps_upgrade(r))
        dropped |= OF_KIND(FIELD_UPGRADE);
    if (r->framing != FRAMING_CHUNKED && r->client_version < VERSION_2)
        dropped |= OF_KIND(FIELD_TRAILER);
    /* Without a body the length says what a body would have had; an interim response and a 204
     * must not have one (RFC 9110, 8.6). With a body it is written anew. */
    if (r->framing != FRAMING_NONE || status < 200 || status == 204)
        dropped |= OF_KIND(FIELD_CONTENT_LENGTH);
    return ~dropped;
}

static size_t response_room(const struct forward_response *r)
{
    const struct head *head = r->head;
    size_t room =
        RESPONSE_ADDED_BYTES_MAX + head->reason.length + r->date.length + changes_room(r->changes);

    for (unsigned i = 0; i < head->fields_count; i++)
        room += field_room(&head->fields[i]);
    return room;
}

static void write_status_line(struct writer *w, const struct head *head)
{
    write_text(w, SLICE("HTTP/1.1 "));
    write_number(w, head->status);
    write_line(w, SLICE(" "), head->reason);
}

static void write_response_fields(struct writer *w, const struct forward_response *r,
                                  const struct hop_fields *hop)
{
    uint32_t kept = response_keeps(r);
    struct slice run = {"", 0};

    for (unsigned i = 0; i < r->head->fields_count; i++) {
        const struct field *field = &r->head->fields[i];

        if ((kept & OF_KIND(hop_kind(hop, i))) != 0 &&
            !changes_drop(r->changes, FIELD_IN_RESPONSE, field))
            write_on(w, &run, field, hop_is_plain(hop, i));
    }
    write_run(w, &run);
}

/* The final response, not an interim one, says what becomes of the connection. */
static void write_response_connection(struct writer *w, const struct forward_response *r,
                                      const struct hop_fields *hop)
{
    bool has_upgrade = hop_has(hop, FIELD_UPGRADE) && response_keeps_upgrade(r);
    struct slice option = {"", 0};

    if (r->head->status >= 200 && r->closes)
        option = SLICE("close");
    else if (r->head->status >= 200 && r->client_version == VERSION_1_0)
        option = SLICE("keep-alive");
    if (!has_upgrade && option.length == 0)
        return;
    write_text(w, SLICE("Connection: "));
    if (has_upgrade)
        write_text(w, option.length > 0 ? SLICE("upgrade, ") : SLICE("upgrade"));
    write_text(w, option);
    write_text(w, SLICE("\r\n"));
}

struct slice forward_response_head(struct arena *arena, const struct forward_response *r)
{
    const struct head *head = r->head;
    struct hop_fields hop = hop_sort(arena, head, head->fields, head->fields_count);
    struct writer w = writer_in(arena, response_room(r));

    write_status_line(&w, head);
    write_response_fields(&w, r, &hop);
    write_changes(&w, r->changes, false);
    if (head->status >= 200 && r->date.length > 0 && !hop_has(&hop, FIELD_DATE) &&
        !changes_name(r->changes, SLICE("date")))
        write_field(&w, SLICE("Date"), r->date);
    if (!r->omits_via && !changes_name(r->changes, SLICE("via")))
        write_via(&w, head->version);
    if (head->status >= 200)
        write_framing(&w, r->framing, r->length);
    write_response_connection(&w, r, &hop);
    write_text(&w, SLICE("\r\n"));
    return writer_finish(&w);
}

/* --- trailers --- */

struct slice forward_trailers(struct arena *arena, const struct head *head,
                              const struct field *trailers, unsigned count,
                              const struct field_changes *changes)
{
    struct hop_fields hop;
    struct writer w;
    size_t room = 0;

    if (count == 0)
        return (struct slice){"", 0};
    hop = hop_sort(arena, head, trailers, count);
    for (unsigned i = 0; i < count; i++)
        room += field_room(&trailers[i]);
    w = writer_in(arena, room);
    for (unsigned i = 0; i < count; i++)
        if (hop_may_trail(hop_kind(&hop, i), trailers[i].name) &&
            !changes_drop(changes, FIELD_IN_REQUEST, &trailers[i]))
            write_field(&w, trailers[i].name, trailers[i].value);
    return writer_finish(&w);
}
