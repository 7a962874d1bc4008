#include "http/upgrade.h"

/* The only protocol of all Upgrade fields; empty if there is none, or are more. */
static struct slice only_protocol(const struct head *head)
{
    struct slice only = {"", 0};

    for (unsigned i = 0; i < head->fields_count; i++) {
        struct slice rest = head->fields[i].value;
        struct slice protocol;

        if (!slice_is_nocase(head->fields[i].name, SLICE("upgrade")))
            continue;
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
    for (unsigned i = 0; i < head->fields_count; i++) {
        struct slice rest = head->fields[i].value;
        struct slice protocol;

        if (!slice_is_nocase(head->fields[i].name, SLICE("upgrade")))
            continue;
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
           head_lists(response, SLICE("connection"), SLICE("upgrade")) &&
           head_offers(request, chosen);
}
