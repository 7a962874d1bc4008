#include "admin/routes.h"

#include "admin/actions.h"
#include "admin/backends.h"
#include "admin/control.h"
#include "admin/decisions.h"
#include "admin/events.h"
#include "admin/metrics.h"
#include "admin/page.h"
#include "admin/sources.h"
#include "admin/state.h"
#include "admin/status.h"
#include "admin/values.h"
#include "base/nearest.h"

static const struct route routes[] = {
    {"GET", "/live", ROUTE_OPEN, state_live},
    {"GET", "/ready", ROUTE_OPEN, state_ready},
    {"GET", "/metrics", ROUTE_OPEN, metrics_page},
    {"GET", "/", ROUTE_PAGE, page_html},
    {"GET", "/page.css", ROUTE_PAGE, page_css},
    {"GET", "/page.js", ROUTE_PAGE, page_js},
    {"GET", "/page_table.js", ROUTE_PAGE, page_table_js},
    {"GET", "/state", ROUTE_KNOWN, state_all},
    {"GET", "/backends", ROUTE_KNOWN, backends_all},
    {"PUT", "/backends", ROUTE_KNOWN, sources_put},
    {"GET", "/backends/*", ROUTE_KNOWN, backends_one},
    {"POST", "/backends/*/drain", ROUTE_KNOWN, actions_drain},
    {"POST", "/backends/*/undrain", ROUTE_KNOWN, actions_undrain},
    {"POST", "/backends/*/weight", ROUTE_KNOWN, actions_weigh},
    {"POST", "/backends/*/eject", ROUTE_KNOWN, actions_eject},
    {"POST", "/backends/*/readmit", ROUTE_KNOWN, actions_readmit},
    {"POST", "/backends/*/check", ROUTE_KNOWN, actions_check},
    {"GET", "/decisions", ROUTE_KNOWN, decisions_list},
    {"GET", "/decisions/*", ROUTE_KNOWN, decisions_one},
    {"GET", "/events", ROUTE_KNOWN, events_stream},
    {"GET", "/status", ROUTE_KNOWN, status_text},
    {"GET", "/values", ROUTE_KNOWN, values_list},
    {"GET", "/values/*", ROUTE_KNOWN, values_get},
    {"PUT", "/values/*", ROUTE_LOCAL, values_put},
    {"DELETE", "/values/*", ROUTE_LOCAL, values_remove},
    {"GET", "/counters", ROUTE_KNOWN, values_counters},
    {"POST", "/counters/*", ROUTE_LOCAL, values_add},
    {"POST", "/log", ROUTE_KNOWN, control_log},
    {"POST", "/reload", ROUTE_KNOWN, control_reload},
    {"POST", "/upgrade", ROUTE_KNOWN, control_upgrade},
    {"POST", "/drain", ROUTE_KNOWN, control_drain},
};

enum { ROUTES = sizeof routes / sizeof *routes };

/* --- what there is not --- */

static enum answer_step no_such_route(struct answer *a, struct buffer *out)
{
    const char *paths[ROUTES], *nearest;

    for (unsigned i = 0; i < ROUTES; i++)
        paths[i] = routes[i].path;
    nearest = nearest_name(a->path, paths, ROUTES);
    return answer_error(a, out, 404, "no such route%s%s%s",
                        nearest != NULL ? ", did you mean " : "", nearest != NULL ? nearest : "",
                        nearest != NULL ? "?" : "");
}

static enum answer_step other_method(struct answer *a, struct buffer *out)
{
    return answer_error(a, out, 405, "this route takes %s", a->allow);
}

static const struct route missing = {"GET", "", ROUTE_KNOWN, no_such_route};
static const struct route misused = {"GET", "", ROUTE_KNOWN, other_method};

/* --- finding --- */

static bool fits(const struct route *route, struct answer *a)
{
    struct slice pattern = slice_of(route->path), before = slice_take_until(&pattern, '*');
    struct slice rest;

    if (before.length == strlen(route->path))
        return slice_is(a->path, before);
    if (!slice_begins(a->path, before))
        return false;
    rest = slice_from(a->path, before.length);
    if (rest.length < pattern.length ||
        !slice_is(slice_from(rest, rest.length - pattern.length), pattern))
        return false;
    rest.length -= pattern.length;
    return memchr(rest.start, '/', rest.length) == NULL && rest.length > 0 &&
           answer_unescape(rest, a->name);
}

const struct route *routes_find(struct answer *a)
{
    struct slice method = slice_is(a->method, SLICE("HEAD")) ? SLICE("GET") : a->method;
    const struct route *other = NULL;

    for (unsigned i = 0; i < ROUTES; i++) {
        if (!fits(&routes[i], a))
            continue;
        if (slice_is(slice_of(routes[i].method), method))
            return &routes[i];
        other = &routes[i];
    }
    a->allow = other != NULL ? other->method : NULL;
    return other != NULL ? &misused : &missing;
}
