#include "http/field_rules.h"

#include "http/field_kind.h"
#include "http/syntax.h"

#include <stdint.h>

enum {
    FORWARDED = 1 << FIELD_IN_REQUEST | 1 << FIELD_IN_RESPONSE,
    EVERYWHERE = FORWARDED | 1 << FIELD_IN_ANSWER | 1 << FIELD_IN_FETCH,
};

/* In which uses fields of a kind are lb's own: a bit for each. */
static const uint8_t ours[FIELD_TRACESTATE + 1] = {
    [FIELD_CONNECTION] = EVERYWHERE,
    [FIELD_TE] = EVERYWHERE,
    [FIELD_UPGRADE] = EVERYWHERE,
    [FIELD_TRAILER] = EVERYWHERE,
    [FIELD_CONTENT_LENGTH] = EVERYWHERE,
    [FIELD_TRANSFER_ENCODING] = EVERYWHERE,
    [FIELD_HOP] = FORWARDED,
    [FIELD_LOOK_ALIKE] = FORWARDED,
    [FIELD_EXPECT] = 1 << FIELD_IN_REQUEST | 1 << FIELD_IN_FETCH, /* nobody waits for a 100 */
    [FIELD_HOST] = 1 << FIELD_IN_REQUEST,                         /* the override host has it */
    [FIELD_MAX_FORWARDS] = 1 << FIELD_IN_REQUEST,
};

bool field_is_ours(enum field_use use, struct slice name, bool is_removed)
{
    enum field_kind kind = field_kind_of(name);

    if ((ours[kind] >> use & 1) != 0)
        return true;
    if (kind == FIELD_HOP) /* the others are between a script and the peer that it asks */
        return slice_is_nocase(name, SLICE("keep-alive")) ||
               slice_is_nocase(name, SLICE("proxy-connection"));
    return (FORWARDED >> use & 1) != 0 && !is_removed &&
           slice_is_nocase(name, SLICE("via")); /* RFC 9110, 7.6.3 */
}

enum field_fault field_check(enum field_use use, struct slice name, const struct slice *value)
{
    if (!is_token(name))
        return FIELD_BAD_NAME;
    if (field_is_ours(use, name, value == NULL))
        return FIELD_OURS;
    return value != NULL && !is_text(*value) ? FIELD_BAD_VALUE : FIELD_FINE;
}
