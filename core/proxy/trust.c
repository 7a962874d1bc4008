#include "proxy/trust.h"

bool trust_has(const struct config *config, const struct sockaddr_in6 *address)
{
    return network_any_has(config->trusted_proxies, config->trusted_proxies_count, address);
}

/* --- the list --- */

/* Takes the last member off a comma-separated list; false at its start. Empty ones are skipped. */
static bool take_last(struct slice *rest, struct slice *member)
{
    while (rest->length > 0) {
        const char *comma = memrchr(rest->start, ',', rest->length);
        size_t at = comma != NULL ? (size_t)(comma - rest->start) + 1 : 0;

        *member = slice_trim(slice_from(*rest, at));
        rest->length = comma != NULL ? at - 1 : 0;
        if (member->length > 0)
            return true;
    }
    return false;
}

/* Continues with one line, from its right end; false at the end of the way. */
static bool follow_line(const struct config *config, struct slice line, struct sockaddr_in6 *client,
                        bool *found)
{
    struct sockaddr_in6 next;
    struct slice member;

    while (take_last(&line, &member)) {
        if (!network_read_address(member, &next))
            return false;
        *client = next;
        *found = true;
        if (!trust_has(config, &next))
            return false;
    }
    return true;
}

bool trust_find_client(const struct config *config, const struct head *head,
                       struct sockaddr_in6 *out)
{
    bool found = false;

    /* Lines of one name are one list (RFC 9110, 5.3). */
    for (unsigned i = head->fields_count; i-- > 0;)
        if (slice_is_nocase(head->fields[i].name, SLICE("x-forwarded-for")) &&
            !follow_line(config, head->fields[i].value, out, &found))
            break;
    return found;
}

bool trust_is_https(const struct head *head)
{
    for (unsigned i = head->fields_count; i-- > 0;) {
        struct slice rest = head->fields[i].value, member;

        if (slice_is_nocase(head->fields[i].name, SLICE("x-forwarded-proto")) &&
            take_last(&rest, &member))
            return slice_is_nocase(member, SLICE("https")); /* RFC 3986, 3.1 */
    }
    return false;
}
