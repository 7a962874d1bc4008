#include "admin/guard.h"

#include "http/target.h"

#include <arpa/inet.h>

/* --- the token --- */

/* Takes as long for any text of that length. */
static bool is_token_of(const struct config_admin *config, struct slice text)
{
    size_t length = strlen(config->token);
    unsigned char differs = text.length != length;

    for (size_t i = 0; i < length; i++)
        differs |=
            (unsigned char)(config->token[i] ^ (text.length > 0 ? text.start[i % text.length] : 0));
    return length > 0 && differs == 0;
}

static bool has_token(const struct answer *a)
{
    const struct slice *field = head_find(a->head, SLICE("authorization"));

    return field != NULL && slice_begins_nocase(*field, SLICE("bearer ")) &&
           is_token_of(a->admin->config, slice_trim(slice_from(*field, 7)));
}

static bool may_know(const struct answer *a, const struct route *route)
{
    bool is_page = route->door == ROUTE_PAGE && a->admin->config->token[0] != '\0';

    return a->is_local || is_page || has_token(a);
}

/* --- the host --- */

static bool is_address(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static bool is_known_host(const struct config_admin *config, struct slice host)
{
    char name[CONFIG_ADMIN_HOST_BYTES];
    size_t length = host.length;

    host = host_without_port(host);
    if (host.length >= 2 && host.start[0] == '[')
        host = (struct slice){host.start + 1, host.length - 2};
    length = host.length;
    if (length >= sizeof name)
        return false;
    for (size_t i = 0; i < length; i++)
        name[i] = ascii_lower(host.start[i]);
    name[length] = '\0';
    if (is_address(name) || strcmp(name, "localhost") == 0 || strcmp(name, "lb") == 0)
        return true;
    for (unsigned i = 0; i < config->hosts_count; i++)
        if (strcmp(name, config->hosts[i]) == 0)
            return true;
    return false;
}

/* --- where it comes from --- */

/* "http://HOST", as a browser writes the page's; "null" is that of a page that has none. */
static bool is_own_origin(struct slice origin, struct slice host)
{
    if (slice_begins_nocase(origin, SLICE("http://")))
        return slice_is_nocase(slice_from(origin, 7), host);
    if (slice_begins_nocase(origin, SLICE("https://")))
        return slice_is_nocase(slice_from(origin, 8), host);
    return false;
}

static bool is_json(const struct head *head)
{
    const struct slice *type = head_find(head, SLICE("content-type"));
    struct slice rest;

    if (type == NULL)
        return false;
    rest = *type;
    return slice_is_nocase(slice_trim(slice_take_until(&rest, ';')), SLICE("application/json"));
}

static unsigned change_status(const struct answer *a, struct slice host, const char **why)
{
    const struct slice *origin = head_find(a->head, SLICE("origin"));

    if (origin != NULL && !is_own_origin(*origin, host)) {
        *why = "this page is not lb's: Origin is not Host";
        return 403;
    }
    if (!is_json(a->head)) {
        *why = "a change has Content-Type: application/json";
        return 415;
    }
    return 0;
}

unsigned guard_status(const struct answer *a, const struct route *route, struct slice host,
                      const char **why)
{
    if (route->door == ROUTE_OPEN && !route_changes(route))
        return 0;
    if (!is_known_host(a->admin->config, host)) {
        *why = "this Host is no name of the admin address: use localhost or an address, or add it "
               "to admin.hosts";
        return 421;
    }
    if (route->door == ROUTE_LOCAL && !a->is_local) {
        *why = "this is only there over a unix socket";
        return 403;
    }
    if (route->door != ROUTE_OPEN && !may_know(a, route)) {
        *why = a->admin->config->token[0] != '\0'
                   ? "Authorization: Bearer and the token of admin.token are missing or wrong"
                   : "over TCP there are /live, /ready and /metrics: use the unix socket, or add "
                     "admin.token";
        return 401;
    }
    return route_changes(route) ? change_status(a, host, why) : 0;
}
