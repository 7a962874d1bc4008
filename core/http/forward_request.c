/*
 * Of a request: its line, its fields that are kept, those that a script set, where its body ends,
 * the connection to the backend, who asked for what (X-Forwarded-*, Forwarded), Via.
 */
#include "http/forward.h"

#include "http/head_lines.h"
#include "http/hop_fields.h"
#include "http/syntax.h"
#include "http/upgrade.h"

/* All that a head may get besides what is copied or counted in request_room, at its longest: so
 * much room is enough. */
enum {
    REQUEST_ADDED_BYTES_MAX = sizeof "  HTTP/1.1\r\n"
                                     "Host: \r\n"
                                     "Content-Length: 18446744073709551615\r\n"
                                     "TE: trailers\r\n"
                                     "Upgrade: \r\n"
                                     "Connection: upgrade, TE\r\n"
                                     "X-Forwarded-For: \r\n"
                                     "X-Forwarded-Proto: \r\n"
                                     "X-Forwarded-Host: \r\n"
                                     "X-Forwarded-Port: 65535\r\n"
                                     "Forwarded: for=\"[]\";host=\"\";proto=\"\"\r\n"
                                     "Via: 1.1 lb\r\n"
                                     "traceparent: \r\n"
                                     "\r\n",
    NUMBER_BYTES_MAX = sizeof "18446744073709551615" - 1,
};

/* What proxies say of those before them; X-Forwarded-For is written anew. */
static const uint32_t said_by_proxies =
    OF_KIND(FIELD_FORWARDED) | OF_KIND(FIELD_X_FORWARDED_PROTO) | OF_KIND(FIELD_X_FORWARDED_HOST) |
    OF_KIND(FIELD_X_FORWARDED_PORT) | OF_KIND(FIELD_X_FORWARDED);

/* --- fields that are kept --- */

bool forward_passes(const struct head *head, struct slice name, bool is_trusted)
{
    uint32_t kind = OF_KIND(field_kind_of(name));
    uint32_t ends_here = OF_KIND(FIELD_HOP) | OF_KIND(FIELD_LOOK_ALIKE);

    if (!is_trusted)
        ends_here |= said_by_proxies | OF_KIND(FIELD_X_FORWARDED_FOR);
    return (kind & ends_here) == 0 && !hop_is_named(head, name);
}

static uint32_t request_keeps(const struct forward_request *r)
{
    uint32_t kept = OF_KIND(FIELD_OTHER) | OF_KIND(FIELD_END_TO_END) | OF_KIND(FIELD_DATE) |
                    OF_KIND(FIELD_HOST) |        /* rewritten, as is the next */
                    OF_KIND(FIELD_MAX_FORWARDS); /* RFC 9110, 7.6.2 */

    /* A 1.0 client cannot have meant it (RFC 9110, 10.1.1). */
    if (r->head->version >= VERSION_1_1 && !r->drops_expect)
        kept |= OF_KIND(FIELD_EXPECT);
    if (!slice_is(r->head->method, SLICE("TRACE"))) /* no backend shall reflect them (9.3.8) */
        kept |= OF_KIND(FIELD_CREDENTIALS);
    if (r->framing == FRAMING_CHUNKED) /* where there can be trailers (RFC 9110, 6.6.2) */
        kept |= OF_KIND(FIELD_TRAILER);
    if (r->is_trusted)
        kept |= said_by_proxies;
    if (r->traceparent.length == 0)
        kept |= OF_KIND(FIELD_TRACEPARENT);
    if (!r->drops_tracestate)
        kept |= OF_KIND(FIELD_TRACESTATE);
    return kept; /* the others are of the connection, or written anew */
}

/* Of a field that may be longer than it came. */
static size_t rewritten_room(const struct forward_request *r, const struct field *field,
                             enum field_kind kind)
{
    if (kind == FIELD_HOST)
        return r->host.length + r->new_host.length;
    if (kind == FIELD_MAX_FORWARDS)
        return NUMBER_BYTES_MAX;
    return field->value.length; /* of Upgrade "a,b" may become "a, b" */
}

static size_t request_room(const struct forward_request *r, const struct hop_fields *hop)
{
    const uint32_t special =
        OF_KIND(FIELD_HOST) | OF_KIND(FIELD_MAX_FORWARDS) | OF_KIND(FIELD_UPGRADE);
    const struct head *head = r->head;
    size_t room = REQUEST_ADDED_BYTES_MAX + head->method.length + r->target->origin.length;

    room += changes_room(r->changes) + 2 * r->new_host.length + r->traceparent.length;
    /* Each in a field of its own and in Forwarded, where a backslash may precede each byte; the
     * host in Host as well. */
    room += (1 + 2) * (r->peer_ip.length + r->proto.length) + (1 + 1 + 2) * r->host.length;
    for (unsigned i = 0; i < head->fields_count; i++) {
        enum field_kind kind = hop_kind(hop, i);

        room += field_room(&head->fields[i]);
        if (special & OF_KIND(kind))
            room += rewritten_room(r, &head->fields[i], kind);
    }
    return room;
}

static struct slice host_for_backend(const struct forward_request *r)
{
    return r->new_host.length > 0 ? r->new_host : r->host;
}

/* Does the line get another value? */
static bool request_rewrites(const struct forward_request *r, const struct field *field,
                             enum field_kind kind)
{
    struct slice host = host_for_backend(r);

    if (kind == FIELD_HOST)
        return host.start != field->value.start || host.length != field->value.length;
    return kind == FIELD_MAX_FORWARDS && r->has_max_forwards;
}

static void write_request_fields(struct writer *w, const struct forward_request *r,
                                 const struct hop_fields *hop)
{
    const uint32_t special = OF_KIND(FIELD_HOST) | OF_KIND(FIELD_MAX_FORWARDS);
    const struct field *field = r->head->fields;
    uint32_t kept = request_keeps(r);
    struct slice run = {"", 0};

    for (unsigned i = 0; i < r->head->fields_count; i++, field++) {
        enum field_kind kind = hop_kind(hop, i);

        if ((kept & OF_KIND(kind)) == 0 || changes_drop(r->changes, FIELD_IN_REQUEST, field))
            continue;
        if ((special & OF_KIND(kind)) == 0 || !request_rewrites(r, field, kind)) {
            write_on(w, &run, field, hop_is_plain(hop, i));
            continue;
        }
        write_run(w, &run);
        if (kind == FIELD_HOST)
            write_field(w, field->name, host_for_backend(r));
        else
            write_decimal_field(w, field->name, r->max_forwards - 1);
    }
    write_run(w, &run);
}

/* --- fields of the connection to the backend --- */

/* What is offered but h2c, which would be a tunnel past all that is decided here; false if
 * nothing is left. */
static bool write_upgrade(struct writer *w, const struct head *head)
{
    struct members offers = {.head = head, .kind = FIELD_UPGRADE};
    struct slice protocol;
    unsigned written = 0;

    while (protocol_next(&offers, &protocol)) {
        write_text(w, written++ == 0 ? SLICE("Upgrade: ") : SLICE(", "));
        write_text(w, protocol);
    }
    if (written > 0)
        write_text(w, SLICE("\r\n"));
    return written > 0;
}

/* A client of 1.0 gets no chunks, and no trailers with them (RFC 9110, 6.5.1 and 10.1.4). */
static bool accepts_trailers(const struct head *head)
{
    struct members codings = {.head = head, .kind = FIELD_TE};
    struct slice coding;

    if (head->version < VERSION_1_1)
        return false;
    while (members_next(&codings, &coding)) /* perhaps with a weight */
        if (slice_is_nocase(slice_trim(slice_take_until(&coding, ';')), SLICE("trailers")))
            return true;
    return false;
}

/* Each of them is named by its Connection. */
static void write_request_connection(struct writer *w, const struct forward_request *r,
                                     const struct hop_fields *hop)
{
    bool has_te = hop_has(hop, FIELD_TE) && accepts_trailers(r->head);
    bool has_upgrade;

    if (has_te)
        write_text(w, SLICE("TE: trailers\r\n"));
    has_upgrade = r->wants_upgrade && write_upgrade(w, r->head);
    if (has_te || has_upgrade)
        write_line(w, SLICE("Connection: "),
                   !has_te       ? SLICE("upgrade")
                   : has_upgrade ? SLICE("upgrade, TE")
                                 : SLICE("TE"));
}

/* --- who asked, and where --- */

/* The addresses that a trusted proxy names, then the peer's own. */
static void write_forwarded_for(struct writer *w, const struct forward_request *r)
{
    const struct field *field;
    unsigned at = 0;

    write_text(w, SLICE("X-Forwarded-For: "));
    while (r->is_trusted && (field = head_next(r->head, FIELD_X_FORWARDED_FOR, &at)) != NULL) {
        if (field->value.length == 0)
            continue;
        write_text(w, field->value);
        write_text(w, SLICE(", "));
    }
    write_text(w, r->peer_ip);
    write_text(w, SLICE("\r\n"));
}

/* A token as it is, anything else as a quoted string (RFC 7239, 4). */
static void write_parameter(struct writer *w, struct slice value)
{
    if (is_token(value))
        write_text(w, value);
    else
        write_quoted(w, value);
}

/* RFC 7239. A line of its own is one more element of the list. */
static void write_forwarded(struct writer *w, const struct forward_request *r)
{
    bool is_v6 = r->peer_ip.length > 0 && memchr(r->peer_ip.start, ':', r->peer_ip.length) != NULL;

    write_text(w, SLICE("Forwarded: for="));
    if (is_v6) {
        write_text(w, SLICE("\"["));
        write_text(w, r->peer_ip);
        write_text(w, SLICE("]\""));
    } else {
        write_parameter(w, r->peer_ip);
    }
    if (!r->names_no_host) {
        write_text(w, SLICE(";host="));
        write_parameter(w, r->host);
    }
    write_text(w, SLICE(";proto="));
    write_parameter(w, r->proto);
    write_text(w, SLICE("\r\n"));
}

/* By a trusted peer, or by the changes. */
static bool is_said(const struct forward_request *r, const struct hop_fields *hop,
                    enum field_kind kind, struct slice name)
{
    return (r->is_trusted && hop_has(hop, kind)) || changes_name(r->changes, name);
}

/* Of the field that will be forwarded: what the script set, else what a trusted peer said last,
 * which it knows itself. False if neither says anything. */
static bool find_said(const struct forward_request *r, const struct hop_fields *hop,
                      enum field_kind kind, struct slice name, struct slice *value)
{
    const struct slice *changed = changes_find_value(r->changes, name);
    const struct field *field = NULL, *next;
    unsigned at = 0;
    const char *comma;

    if (changed == NULL && (!r->is_trusted || !hop_has(hop, kind)))
        return false;
    while (changed == NULL && (next = head_next(r->head, kind, &at)) != NULL)
        field = next;
    *value = changed != NULL ? *changed : field != NULL ? field->value : (struct slice){"", 0};
    comma = value->length > 0 ? memrchr(value->start, ',', value->length) : NULL;
    if (comma != NULL)
        *value = slice_trim(
            (struct slice){comma + 1, value->length - (size_t)(comma + 1 - value->start)});
    return true;
}

/* A proxy may say ws and wss of a WebSocket (RFC 6455, 3). Empty: nobody knows which it is. */
static struct slice port_of_scheme(struct slice scheme)
{
    if (slice_is_nocase(scheme, SLICE("http")) || slice_is_nocase(scheme, SLICE("ws")))
        return SLICE("80");
    if (slice_is_nocase(scheme, SLICE("https")) || slice_is_nocase(scheme, SLICE("wss")))
        return SLICE("443");
    return (struct slice){"", 0};
}

/* The port of the host, else of the scheme (RFC 9110, 4.2.1 and 4.2.2), by those X-Forwarded-* that
 * will be forwarded. Empty: the scheme is of another kind. The port where the request came in is
 * another one behind a container's mapping of ports, a packet filter or a proxy: a URL that a
 * backend makes has to lead back to where the client asked. */
static struct slice asked_port(const struct forward_request *r, const struct hop_fields *hop)
{
    struct slice host = r->names_no_host ? (struct slice){"", 0} : r->host, scheme = r->proto, port;

    if (r->is_trusted || r->changes != NULL) { /* else nobody else says anything */
        if (find_said(r, hop, FIELD_X_FORWARDED_HOST, SLICE("X-Forwarded-Host"), &host) &&
            !host_is_valid(host))
            host = (struct slice){"", 0};
        (void)find_said(r, hop, FIELD_X_FORWARDED_PROTO, SLICE("X-Forwarded-Proto"), &scheme);
    }
    port = host_port(host);
    return port.length > 0 ? port : port_of_scheme(scheme);
}

/* What is said already is not said again. */
static void write_forwarding(struct writer *w, const struct forward_request *r,
                             const struct hop_fields *hop)
{
    const struct slice proto = SLICE("X-Forwarded-Proto"), host = SLICE("X-Forwarded-Host"),
                       port = SLICE("X-Forwarded-Port");
    bool others = r->is_trusted || r->changes != NULL; /* may have said it */
    struct slice asked;

    if (!changes_name(r->changes, SLICE("X-Forwarded-For")))
        write_forwarded_for(w, r);
    if (!(others && is_said(r, hop, FIELD_X_FORWARDED_PROTO, proto)))
        write_line(w, SLICE("X-Forwarded-Proto: "), r->proto);
    if (!r->names_no_host && !(others && is_said(r, hop, FIELD_X_FORWARDED_HOST, host)))
        write_line(w, SLICE("X-Forwarded-Host: "), r->host);
    if (!(others && is_said(r, hop, FIELD_X_FORWARDED_PORT, port)) &&
        (asked = asked_port(r, hop)).length > 0)
        write_line(w, SLICE("X-Forwarded-Port: "), asked);
    if (r->adds_forwarded && !changes_name(r->changes, SLICE("Forwarded")))
        write_forwarded(w, r);
}

/* --- all of it --- */

struct slice forward_request_head(struct arena *arena, const struct forward_request *r)
{
    const struct head *head = r->head;
    struct hop_fields hop = hop_sort(arena, head, head->fields, head->fields_count);
    struct writer w = writer_in(arena, request_room(r, &hop));

    CHECK(!r->has_max_forwards || r->max_forwards > 0);
    write_text(&w, head->method);
    write_text(&w, SLICE(" "));
    write_line(&w, r->target->origin, SLICE(" HTTP/1.1"));
    if (!hop_has(&hop, FIELD_HOST))
        write_field(&w, SLICE("Host"), host_for_backend(r));
    write_request_fields(&w, r, &hop);
    write_changes(&w, r->changes, slice_is(head->method, SLICE("TRACE")));
    write_framing(&w, r->framing, r->length);
    write_request_connection(&w, r, &hop);
    write_forwarding(&w, r, &hop);
    if (!r->omits_via && !changes_name(r->changes, SLICE("via")))
        write_via(&w, head->version);
    if (r->traceparent.length > 0 && !changes_name(r->changes, SLICE("traceparent")))
        write_line(&w, SLICE("traceparent: "), r->traceparent);
    write_text(&w, SLICE("\r\n"));
    return writer_finish(&w);
}
