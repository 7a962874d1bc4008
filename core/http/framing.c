#include "http/framing.h"

/* The value of the one field of that kind; NULL if there are none or several. */
static inline const struct slice *head_only(const struct head *head, enum field_kind kind)
{
    unsigned at = 0;
    const struct field *field = head_next(head, kind, &at);

    return field != NULL && head_next(head, kind, &at) == NULL ? &field->value : NULL;
}

/* One Content-Length of digits only that fits (RFC 9110, 8.6). Many readers count in a signed
 * number, where a larger one is below zero, or another one. */
static bool head_agreed_length(const struct head *head, uint64_t *length)
{
    const struct slice *value = head_only(head, FIELD_CONTENT_LENGTH);

    return value != NULL && number_read(*value, length) && *length <= INT64_MAX;
}

static bool head_is_chunked_only(const struct head *head)
{
    const struct slice *value = head_only(head, FIELD_TRANSFER_ENCODING);

    return value != NULL && slice_is_nocase(*value, SLICE("chunked"));
}

bool framing_is_unknown_coding(const struct head *head)
{
    struct members codings = {.head = head, .kind = FIELD_TRANSFER_ENCODING};
    unsigned others = 0, chunked = 0;
    struct slice coding;
    bool is_last = false;

    if (head->version < VERSION_1_1 || head_has(head, FIELD_CONTENT_LENGTH))
        return false;
    while (members_next(&codings, &coding)) {
        is_last = slice_is_nocase(coding, SLICE("chunked"));
        chunked += is_last;
        others += !is_last;
    }
    return is_last && chunked == 1 && others > 0;
}

enum framing framing_of_request(const struct head *head, uint64_t *length)
{
    bool coded = head_has(head, FIELD_TRANSFER_ENCODING);
    bool counted = head_has(head, FIELD_CONTENT_LENGTH);

    *length = 0;
    if (coded && (counted || head->version < VERSION_1_1))
        return FRAMING_REFUSED;
    if (coded)
        return head_is_chunked_only(head) ? FRAMING_CHUNKED : FRAMING_REFUSED;
    if (counted)
        return head_agreed_length(head, length) ? FRAMING_COUNTED : FRAMING_REFUSED;
    return FRAMING_NONE;
}

enum framing framing_of_response(const struct head *head, bool answers_head, uint64_t *length)
{
    bool coded = head_has(head, FIELD_TRANSFER_ENCODING);
    bool counted = head_has(head, FIELD_CONTENT_LENGTH);

    *length = 0;
    /* A 1.0 backend does not know the coding: it may mean another thing (RFC 9112, 6.1). */
    if (coded && (counted || head->version < VERSION_1_1 || !head_is_chunked_only(head)))
        return FRAMING_REFUSED;
    if (counted && !head_agreed_length(head, length))
        return FRAMING_REFUSED;
    if (answers_head || head->status / 100 == 1 || head->status == 204 || head->status == 304)
        return FRAMING_NONE;
    if (coded)
        return FRAMING_CHUNKED;
    return counted ? FRAMING_COUNTED : FRAMING_UNTIL_CLOSE;
}

static bool head_repeats(const struct head *head, enum field_kind kind)
{
    return head_has(head, kind) && head_only(head, kind) == NULL;
}

const char *framing_fault_text(const struct head *head)
{
    bool coded = head_has(head, FIELD_TRANSFER_ENCODING);
    uint64_t length = 0;

    if (coded && head_has(head, FIELD_CONTENT_LENGTH))
        return "both Transfer-Encoding and Content-Length";
    if (head_repeats(head, FIELD_TRANSFER_ENCODING))
        return "more than one Transfer-Encoding";
    if (head_repeats(head, FIELD_CONTENT_LENGTH))
        return "more than one Content-Length";
    if (coded && head->version < VERSION_1_1)
        return "a Transfer-Encoding in HTTP/1.0";
    if (coded && !head_is_chunked_only(head))
        return "a Transfer-Encoding that is not chunked";
    if (head_has(head, FIELD_CONTENT_LENGTH) && !head_agreed_length(head, &length))
        return length > INT64_MAX ? "a Content-Length above 2^63 - 1"
                                  : "a Content-Length that is no number of bytes";
    return "ambiguous length of the body";
}
