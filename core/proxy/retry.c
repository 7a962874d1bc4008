#include "proxy/retry.h"

enum { RETRIES_A_SECOND = 3 };

bool retry_is_safe(const struct retry_facts *facts)
{
    return facts->body_whole &&
           (!facts->was_sent || facts->idempotent || facts->has_key || facts->allowed);
}

void retry_budget_init(struct retry_budget *budget, double fraction)
{
    *budget = (struct retry_budget){.fraction = fraction};
}

/* Forgets the seconds that have passed out of the window. */
static unsigned budget_slot(struct retry_budget *budget, uint64_t now_ms)
{
    uint64_t second = now_ms / 1000;

    if (second >= budget->second + RETRY_SECONDS)
        budget->second = second - RETRY_SECONDS;
    while (budget->second < second) {
        unsigned slot = (unsigned)(++budget->second % RETRY_SECONDS);

        budget->requests_sum -= budget->requests[slot];
        budget->retries_sum -= budget->retries[slot];
        budget->requests[slot] = budget->retries[slot] = 0;
    }
    return (unsigned)(budget->second % RETRY_SECONDS);
}

void retry_note_request(struct retry_budget *budget, uint64_t now_ms)
{
    budget->requests[budget_slot(budget, now_ms)]++;
    budget->requests_sum++;
}

bool retry_take(struct retry_budget *budget, uint64_t now_ms)
{
    unsigned slot = budget_slot(budget, now_ms);
    double allowed = (double)budget->requests_sum * budget->fraction +
                     (double)(RETRIES_A_SECOND * RETRY_SECONDS);

    if ((double)budget->retries_sum + 1 > allowed)
        return false;
    budget->retries[slot]++;
    budget->retries_sum++;
    return true;
}
