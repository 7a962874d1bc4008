#include "shared/totals.h"

#include "base/check.h"

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
