#include "http/upgrade.h"

/* The only protocol of all Upgrade fields; empty if there is none, or are more. */
static struct slice only_protocol(const struct head *head)
{
    struct slice only = {"", 0};
    const struct field *field;
    unsigned at = 0;

    while ((field = head_next(head, FIELD_UPGRADE, &at)) != NULL) {
        struct slice rest = field->value;
        struct slice protocol;

        while (list_next(&rest, &protocol)) {
            if (only.length > 0)
                return (struct slice){"", 0};
            only = protocol;
        }
    }
    return only;
}

static bool head_offers(const struct head *head, struct slice chosen)
{
    const struct field *field;
    unsigned at = 0;

    while ((field = head_next(head, FIELD_UPGRADE, &at)) != NULL) {
        struct slice rest = field->value;
        struct slice protocol;

        while (protocol_next(&rest, &protocol))
            if (slice_is_nocase(protocol, chosen))
                return true;
    }
    return false;
}

bool upgrade_agrees(const struct head *request, const struct head *response)
{
    struct slice chosen = only_protocol(response);

    return response->version == VERSION_1_1 && chosen.length > 0 &&
           head_lists(response, FIELD_CONNECTION, SLICE("upgrade")) && head_offers(request, chosen);
}
