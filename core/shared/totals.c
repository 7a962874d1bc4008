#include "shared/totals.h"

#include "base/check.h"
#include "shared/hooks.h"

#include <stdio.h>

enum { STATUS_CLIENT_GONE = 499, STATUS_TUNNEL = 101 };

static struct totals nobodys;

struct totals *totals_own = &nobodys;

const uint64_t totals_bounds_us[TOTALS_BOUNDS] = {1000,    2500,    5000,     10000,   25000,
                                                  50000,   100000,  250000,   500000,  1000000,
                                                  2500000, 5000000, 10000000, 30000000};

bool totals_are_read(void)
{
    return totals_own != &nobodys;
}

const uint64_t totals_call_bounds_us[TOTALS_CALL_BOUNDS] = {10,   50,    100,    500,    1000,
                                                            5000, 10000, 100000, 1000000};

unsigned totals_calls;

void totals_end(void)
{
    totals_own = &nobodys;
}

static unsigned class_of(unsigned status)
{
    if (status == STATUS_CLIENT_GONE)
        return TOTALS_499;
    return status >= 100 && status < 600 ? TOTALS_1XX + status / 100 - 1 : TOTALS_OTHER;
}

static void add_duration(unsigned first, uint64_t us, const uint64_t *bounds_us, unsigned bounds)
{
    unsigned bound = 0;

    while (bound < bounds && us > bounds_us[bound])
        bound++;
    totals_add(first + bound, 1);
    totals_add(first + bounds + 1, us);
}

/* A tunnel lasts for hours, which says nothing of how long requests take. */
void totals_add_request(const struct totals_request *r)
{
    totals_add(class_of(r->status), 1);
    if (r->bytes_in > 0)
        totals_add(TOTALS_BYTES_IN, r->bytes_in);
    if (r->bytes_out > 0)
        totals_add(TOTALS_BYTES_OUT, r->bytes_out);
    if (r->status == STATUS_TUNNEL)
        return;
    add_duration(TOTALS_WITHIN, r->us, totals_bounds_us, TOTALS_BOUNDS);
}

void totals_add_call(unsigned hook, uint64_t us)
{
    CHECK(hook < TOTALS_CALL_HOOKS);
    add_duration(TOTALS_CALLS + hook * TOTALS_CALL_EACH, us, totals_call_bounds_us,
                 TOTALS_CALL_BOUNDS);
}

/* --- names --- */

static const char *const names[TOTALS_COUNTS] = {
    [TOTALS_DURATION_US] = "duration_us",
    [TOTALS_BYTES_IN] = "bytes_in",
    [TOTALS_BYTES_OUT] = "bytes_out",
    [TOTALS_1XX] = "1xx",
    [TOTALS_2XX] = "2xx",
    [TOTALS_3XX] = "3xx",
    [TOTALS_4XX] = "4xx",
    [TOTALS_5XX] = "5xx",
    [TOTALS_499] = "499",
    [TOTALS_OTHER] = "other",
    [TOTALS_HTTP2] = "http2",
    [TOTALS_DECISIONS_USUAL] = "decisions_usual",
    [TOTALS_DECISIONS_WRONG] = "decisions_wrong",
    [TOTALS_DECISIONS_NOT] = "decisions_not",
    [TOTALS_CONNECTIONS] = "connections",
    [TOTALS_HTTP2_CONNECTIONS] = "http2_connections",
    [TOTALS_REFUSED_PER_CLIENT] = "refused_per_client",
    [TOTALS_REFUSED_PROXY_HEADER] = "refused_proxy_header",
    [TOTALS_TLS_FULL] = "tls_full",
    [TOTALS_TLS_RESUMED] = "tls_resumed",
    [TOTALS_TLS_1_2] = "tls_1_2",
    [TOTALS_TLS_1_3] = "tls_1_3",
    [TOTALS_RETRY_AGAIN] = "retry_again",
    [TOTALS_RETRY_NEXT] = "retry_next",
    [TOTALS_RETRY_AT_ONCE] = "retry_at_once",
    [TOTALS_DENIED_UNSAFE] = "denied_unsafe",
    [TOTALS_DENIED_ATTEMPTS] = "denied_attempts",
    [TOTALS_DENIED_BUDGET] = "denied_budget",
    [TOTALS_CHECKS_SKIPPED] = "checks_skipped",
    [TOTALS_WORKERS_DIED] = "workers_died",
    [TOTALS_WORKERS_HUNG] = "workers_hung",
    [TOTALS_WORKERS_REPLACED] = "workers_replaced",
    [TOTALS_MONITORS_DIED] = "monitors_died",
    [TOTALS_ADMINS_DIED] = "admins_died",
    [TOTALS_RELOADS] = "reloads",
    [TOTALS_RELOADS_REFUSED] = "reloads_refused",
    [TOTALS_UPGRADES] = "upgrades",
    [TOTALS_UPGRADES_REFUSED] = "upgrades_refused",
    [TOTALS_UPGRADES_FAILED] = "upgrades_failed",
    [TOTALS_SPANS_SENT] = "spans_sent",
    [TOTALS_SPANS_DROPPED] = "spans_dropped",
    [TOTALS_SPANS_REFUSED] = "spans_refused",
};

static const char *name_bound(char room[TOTALS_NAME_BYTES], const char *of, const uint64_t *bounds,
                              unsigned count, unsigned i)
{
    if (i < count)
        snprintf(room, TOTALS_NAME_BYTES, "%s.%llu", of, (unsigned long long)bounds[i]);
    else
        snprintf(room, TOTALS_NAME_BYTES, "%s.%s", of, i == count ? "more" : "us");
    return room;
}

const char *totals_name(unsigned count, char room[TOTALS_NAME_BYTES])
{
    if (names[count] != NULL)
        return names[count];
    if (count < TOTALS_DURATION_US)
        return name_bound(room, "within", totals_bounds_us, TOTALS_BOUNDS, count - TOTALS_WITHIN);
    if (count >= TOTALS_CALLS && count < TOTALS_RETRY_AGAIN) {
        unsigned i = count - TOTALS_CALLS;

        return name_bound(room, hook_name((enum hook)(i / TOTALS_CALL_EACH)), totals_call_bounds_us,
                          TOTALS_CALL_BOUNDS, i % TOTALS_CALL_EACH);
    }
    if (count >= TOTALS_TLS_REFUSED && count < TOTALS_CALLS)
        snprintf(room, TOTALS_NAME_BYTES, "tls_refused.%u", count - TOTALS_TLS_REFUSED);
    else
        snprintf(room, TOTALS_NAME_BYTES, "unnamed.%u", count);
    return room;
}

int totals_find(struct slice name)
{
    char room[TOTALS_NAME_BYTES];

    for (unsigned i = 0; i < TOTALS_COUNTS; i++)
        if (slice_is(slice_of(totals_name(i, room)), name))
            return (int)i;
    return -1;
}
