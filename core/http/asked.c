#include "http/asked.h"

#include "http/changes.h"
#include "http/target.h"

/* Of the field that will go on: what the script set, else what a trusted peer said last, which it
 * knows itself. False if neither says anything. */
static bool said(const struct forward_request *r, const struct hop *hop, enum field_kind kind,
                 struct slice name, struct slice *value)
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

struct slice asked_port(const struct forward_request *r, const struct hop *hop)
{
    struct slice host = r->names_no_host ? (struct slice){"", 0} : r->host, scheme = r->proto, port;

    if (r->is_trusted || r->changes != NULL) { /* else nobody else says anything */
        if (said(r, hop, FIELD_X_FORWARDED_HOST, SLICE("X-Forwarded-Host"), &host) &&
            !host_is_valid(host))
            host = (struct slice){"", 0};
        (void)said(r, hop, FIELD_X_FORWARDED_PROTO, SLICE("X-Forwarded-Proto"), &scheme);
    }
    port = host_port(host);
    return port.length > 0 ? port : port_of_scheme(scheme);
}
