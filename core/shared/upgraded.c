#include "shared/upgraded.h"

#include "shared/bytes.h"

#include <stdio.h>
#include <string.h>

void upgraded_begin(struct segment *s, uint64_t now_ms)
{
    atomic_store(&s->upgraded.began_ms, now_ms);
}

void upgraded_end(struct segment *s, enum upgraded_outcome outcome, uint64_t ms,
                  const char *version, const char *why)
{
    struct upgraded result;

    memset(&result, 0, sizeof result);
    result.outcome = outcome;
    result.ms = ms;
    snprintf(result.version, sizeof result.version, "%s", version);
    snprintf(result.why, sizeof result.why, "%s", why);
    bytes_write(s->upgraded.words, &result, sizeof result);
    atomic_fetch_add(&s->upgraded.count, 1);
    atomic_store(&s->upgraded.began_ms, 0);
}

uint64_t upgraded_count(const struct segment *s)
{
    return atomic_load(&s->upgraded.count);
}

uint64_t upgraded_since_ms(const struct segment *s)
{
    return atomic_load(&s->upgraded.began_ms);
}

bool upgraded_read(const struct segment *s, struct upgraded *out)
{
    uint64_t before = upgraded_count(s);

    bytes_read(s->upgraded.words, out, sizeof *out);
    out->version[sizeof out->version - 1] = out->why[sizeof out->why - 1] = '\0';
    return upgraded_since_ms(s) == 0 && upgraded_count(s) == before;
}
