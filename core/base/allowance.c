#include "base/allowance.h"

void allowance_init(struct allowance *a, double fraction, double least)
{
    *a = (struct allowance){.fraction = fraction, .least = least};
}

/* Forgets the seconds that have passed out of the window. */
static unsigned allowance_slot(struct allowance *a, uint64_t now_ms)
{
    uint64_t second = now_ms / 1000;

    if (second >= a->second + ALLOWANCE_SECONDS)
        a->second = second - ALLOWANCE_SECONDS;
    while (a->second < second) {
        unsigned slot = (unsigned)(++a->second % ALLOWANCE_SECONDS);

        a->usual_sum -= a->usual[slot];
        a->extra_sum -= a->extra[slot];
        a->usual[slot] = a->extra[slot] = 0;
    }
    return (unsigned)(a->second % ALLOWANCE_SECONDS);
}

void allowance_note(struct allowance *a, uint64_t now_ms)
{
    a->usual[allowance_slot(a, now_ms)]++;
    a->usual_sum++;
}

bool allowance_has(struct allowance *a, uint64_t now_ms)
{
    allowance_slot(a, now_ms);
    return (double)a->extra_sum + 1 <= (double)a->usual_sum * a->fraction + a->least;
}

void allowance_spend(struct allowance *a, uint64_t now_ms)
{
    a->extra[allowance_slot(a, now_ms)]++;
    a->extra_sum++;
}

bool allowance_take(struct allowance *a, uint64_t now_ms)
{
    if (!allowance_has(a, now_ms))
        return false;
    allowance_spend(a, now_ms);
    return true;
}
