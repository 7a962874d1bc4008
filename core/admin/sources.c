#include "admin/sources.h"

#include "admin/json.h"
#include "base/clock.h"
#include "discover/schema.h"
#include "shared/roster.h"
#include "shared/wake.h"

enum answer_step sources_put(struct answer *a, struct buffer *out)
{
    struct segment *segment = a->admin->segment;
    struct buffer wrong = {0};
    struct found_list list;
    unsigned count;
    bool is_good;

    if (atomic_load(&segment->given.is_taken) == 0)
        return answer_error(a, out, 409, "the script has no backends = \"admin\"");
    found_init(&list);
    is_good = schema_read(&list, a->body, &wrong);
    count = list.count;
    found_dispose(&list);
    if (!is_good) {
        enum answer_step step = answer_error(a, out, 400, "%s", buffer_text(&wrong));

        buffer_dispose(&wrong);
        return step;
    }
    roster_give(segment, a->body);
    a->status = 202;
    json_open(out, '{');
    json_number(out, "backends", count);
    json_close(out, '}');
    buffer_append_byte(out, '\n');
    return ANSWER_DONE;
}

static unsigned sources_of(const struct segment *segment)
{
    unsigned count = atomic_load(&segment->sources_count);

    return count < ROSTER_SOURCES_MAX ? count : ROSTER_SOURCES_MAX;
}

bool sources_lack_list(const struct segment *segment)
{
    for (unsigned i = 0; i < sources_of(segment); i++) {
        const struct segment_source *s = &segment->sources[i];

        if (atomic_load(&s->heard_ms) == 0 && atomic_load(&s->backends) == 0)
            return true;
    }
    return false;
}

const char *sources_name(const struct segment *segment, uint32_t source)
{
    static struct roster_list list; /* large, and read once for a page */
    static uint64_t known;
    uint64_t number = roster_listed(segment);

    if (source == 0)
        return "script";
    if (number != known && number != 0)
        known = roster_read_list(segment, number, &list) ? number : 0;
    if (known == 0 || source > list.head.sources || source > ROSTER_SOURCES_MAX)
        return "list";
    return list.head.names[source - 1];
}

uint64_t sources_stale_s(const struct segment *segment)
{
    uint64_t oldest_us = UINT64_MAX, now_us = clock_wall_us();

    for (unsigned i = 0; i < sources_of(segment); i++) {
        uint64_t at_us = atomic_load(&segment->sources[i].stale_us);

        if (at_us != 0 && at_us < oldest_us)
            oldest_us = at_us;
    }
    if (oldest_us == UINT64_MAX)
        return 0;
    return now_us > oldest_us ? (now_us - oldest_us) / 1000000 + 1 : 1;
}
