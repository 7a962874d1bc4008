#include "http/request.h"

/* An authority in the target overrides the field, which must be there all the same
 * (RFC 9112, 3.2 and 3.2.2). */
static bool request_find_host(const struct head *head, struct request *out)
{
    unsigned found = 0;

    out->host = (struct slice){"", 0};
    for (unsigned i = 0; i < head->fields_count; i++) {
        if (!slice_is_nocase(head->fields[i].name, SLICE("host")))
            continue;
        out->host = head->fields[i].value;
        found++;
    }
    if (found > 1 || (found == 0 && head->version == VERSION_1_1))
        return false;
    if (found == 1 && !host_is_valid(out->host))
        return false;
    if (out->target.form == TARGET_ABSOLUTE)
        out->host = out->target.authority;
    return true;
}

enum request_fault request_check(const struct head *head, struct request *out)
{
    if (!target_parse(head->method, head->target, &out->target))
        return REQUEST_BAD_TARGET;
    if (!request_find_host(head, out))
        return REQUEST_BAD_HOST;
    out->framing = framing_of_request(head, &out->length);
    if (out->framing == FRAMING_REFUSED)
        return REQUEST_BAD_FRAMING;
    return out->target.form == TARGET_AUTHORITY ? REQUEST_IS_CONNECT : REQUEST_OK;
}

unsigned request_fault_status(enum request_fault fault)
{
    return fault == REQUEST_IS_CONNECT || fault == REQUEST_UNKNOWN_CODING ? 501 : 400;
}

const char *request_fault_text(enum request_fault fault)
{
    static const char *const texts[] = {
        [REQUEST_OK] = "",
        [REQUEST_BAD_TARGET] = "invalid request target",
        [REQUEST_BAD_HOST] = "missing or invalid Host",
        [REQUEST_BAD_FRAMING] = "ambiguous length of the body",
        [REQUEST_UNKNOWN_CODING] = "a transfer coding that is not chunked",
        [REQUEST_IS_CONNECT] = "CONNECT is not supported",
        [REQUEST_BAD_MAX_FORWARDS] = "Max-Forwards is not one number",
        [REQUEST_TRACE_WITH_BODY] = "TRACE has no body",
    };

    return texts[fault];
}
