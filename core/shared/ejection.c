#include "shared/ejection.h"

enum { COUNT_MAX = 0x3f, TAG_MAX = 0xffff };

uint64_t ejection_pack(struct ejection e)
{
    return (uint64_t)e.state << 62 | (uint64_t)(e.count & COUNT_MAX) << 56 |
           (uint64_t)(e.tag & TAG_MAX) << 40 | (e.at_ms & ((1ull << 40) - 1));
}

struct ejection ejection_unpack(uint64_t word)
{
    return (struct ejection){
        .state = (enum ejection_state)(word >> 62),
        .count = (uint32_t)(word >> 56) & COUNT_MAX,
        .tag = (uint32_t)(word >> 40) & TAG_MAX,
        .at_ms = word & ((1ull << 40) - 1),
    };
}

uint64_t ejection_length_ms(const struct ejection_rule *rule, uint32_t count)
{
    uint64_t length_ms = rule->for_ms;

    for (uint32_t i = 1; i < count && length_ms < rule->for_max_ms; i++)
        length_ms *= 2;
    return length_ms < rule->for_max_ms ? length_ms : rule->for_max_ms;
}

uint32_t ejection_next_count(const struct ejection_rule *rule, struct ejection last,
                             uint64_t now_ms)
{
    if (last.count == 0)
        return 1;
    if (last.state != EJECTION_OUT && now_ms > last.at_ms + ejection_length_ms(rule, last.count))
        return 1;
    return last.count < COUNT_MAX ? last.count + 1 : COUNT_MAX;
}
