#include "http/request.h"

#include "http/upgrade.h"

enum { OPTIONS_MAX = 64 };

/* An authority in the target overrides the field, which must be there all the same
 * (RFC 9112, 3.2 and 3.2.2). */
static enum request_fault request_find_host(const struct head *head, struct request *out)
{
    const struct field *field;
    unsigned at = 0, found = 0;
    bool is_valid;

    while ((field = head_next(head, FIELD_HOST, &at)) != NULL) {
        out->host = field->value;
        found++;
    }
    is_valid = host_split(out->host, &out->host_name);
    if (found == 0 && head->version >= VERSION_1_1)
        return REQUEST_NO_HOST;
    if (found > 1)
        return REQUEST_MANY_HOSTS;
    if (found == 1 && !is_valid)
        return REQUEST_BAD_HOST;
    if (out->target.form == TARGET_ABSOLUTE) {
        out->host = out->target.authority;
        out->host_name = host_without_port(out->host);
    }
    return REQUEST_OK;
}

/* RFC 9110, 7.8. */
static bool request_finds_upgrade(const struct head *head)
{
    struct members offers = {.head = head, .kind = FIELD_UPGRADE};
    struct slice protocol;

    return head->version == VERSION_1_1 && head_has(head, FIELD_UPGRADE) &&
           head_lists(head, FIELD_CONNECTION, SLICE("upgrade")) &&
           protocol_next(&offers, &protocol);
}

/* RFC 9110, 7.6.2: of other methods it means nothing, and is forwarded as it is. */
static bool request_find_max_forwards(const struct head *head, struct request *out)
{
    const struct field *field;
    unsigned at = 0, found = 0;

    if (!slice_is(head->method, SLICE("TRACE")) && !slice_is(head->method, SLICE("OPTIONS")))
        return true;
    while ((field = head_next(head, FIELD_MAX_FORWARDS, &at)) != NULL)
        if (found++ > 0 || !number_read(field->value, &out->max_forwards))
            return false;
    out->has_max_forwards = found == 1;
    return true;
}

static bool request_has_many_options(const struct head *head)
{
    struct members options = {.head = head, .kind = FIELD_CONNECTION};
    struct slice option;
    unsigned count = 0;

    while (count <= OPTIONS_MAX && members_next(&options, &option))
        count++;
    return count > OPTIONS_MAX;
}

enum request_fault request_check(const struct head *head, struct arena *arena, struct request *out)
{
    bool is_trace = slice_is(head->method, SLICE("TRACE"));
    enum request_fault fault;

    *out = (struct request){.host = {"", 0}, .host_name = {"", 0}};
    if (!target_parse(head->method, head->target, arena, &out->target))
        return REQUEST_BAD_TARGET;
    fault = request_find_host(head, out);
    if (fault != REQUEST_OK)
        return fault;
    out->framing = framing_of_request(head, &out->length);
    if (out->framing == FRAMING_REFUSED)
        return framing_is_unknown_coding(head) ? REQUEST_UNKNOWN_CODING : REQUEST_BAD_FRAMING;
    if (out->target.form == TARGET_AUTHORITY)
        return REQUEST_IS_CONNECT;
    if (!request_find_max_forwards(head, out))
        return REQUEST_BAD_MAX_FORWARDS;
    if (is_trace && !body_size_is_empty(request_body_size(out)))
        return REQUEST_TRACE_WITH_BODY;
    if (request_has_many_options(head))
        return REQUEST_MANY_OPTIONS;
    out->may_end_here = is_trace || (out->has_max_forwards && out->max_forwards == 0);
    out->wants_upgrade = request_finds_upgrade(head);
    return REQUEST_OK;
}

unsigned request_fault_status(enum request_fault fault)
{
    return fault == REQUEST_IS_CONNECT || fault == REQUEST_UNKNOWN_CODING ? 501 : 400;
}

const char *request_fault_text(enum request_fault fault, const struct head *head)
{
    static const char *const texts[] = {
        [REQUEST_OK] = "",
        [REQUEST_BAD_TARGET] = "invalid request target",
        [REQUEST_NO_HOST] = "no Host",
        [REQUEST_MANY_HOSTS] = "more than one Host",
        [REQUEST_BAD_HOST] = "a Host that is not host[:port]",
        [REQUEST_UNKNOWN_CODING] = "a transfer coding that is not chunked",
        [REQUEST_IS_CONNECT] = "CONNECT is not supported",
        [REQUEST_BAD_MAX_FORWARDS] = "Max-Forwards is not one number",
        [REQUEST_MANY_OPTIONS] = "too many options in Connection",
        [REQUEST_TRACE_WITH_BODY] = "TRACE has no body",
    };

    return fault == REQUEST_BAD_FRAMING ? framing_fault_text(head) : texts[fault];
}
