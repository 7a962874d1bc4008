#include "shared/reloaded.h"

#include "shared/bytes.h"

void reloaded_begin(struct segment *s, uint64_t now_ms)
{
    atomic_store(&s->reloaded.began_ms, now_ms);
}

void reloaded_end(struct segment *s, const struct reloaded *result)
{
    bytes_write(s->reloaded.words, result, sizeof *result);
    atomic_fetch_add(&s->reloaded.count, 1);
    atomic_store(&s->reloaded.began_ms, 0);
}

uint64_t reloaded_count(const struct segment *s)
{
    return atomic_load(&s->reloaded.count);
}

uint64_t reloaded_since_ms(const struct segment *s)
{
    return atomic_load(&s->reloaded.began_ms);
}

bool reloaded_read(const struct segment *s, struct reloaded *out)
{
    uint64_t before = reloaded_count(s);

    bytes_read(s->reloaded.words, out, sizeof *out);
    out->text[sizeof out->text - 1] = '\0';
    return reloaded_since_ms(s) == 0 && reloaded_count(s) == before;
}
