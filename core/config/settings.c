#include "config/settings.h"

#include "shared/segment.h"

#include <math.h>

/* The fields of a struct setting; the braces are at the uses. */
#define SECONDS(group, member, standard, least, most, or_zero)                                     \
    .name = #member, SETTING_SECONDS, offsetof(struct config, group.member##_ms), standard, least, \
    most, or_zero
#define OTHER(kind, group, member, standard, least, most, or_zero)                                 \
    .name = #member, SETTING_##kind, offsetof(struct config, group.member), standard, least, most, \
    or_zero

#define COUNT(array) ((unsigned)(sizeof(array) / sizeof *(array)))
#define MS           0.001
#define DAY          86400.0
#define KIB          1024.0
#define MIB          (1024.0 * KIB)
#define GIB          (1024.0 * MIB)

static const struct setting health[] = {
    {SECONDS(health, interval, 2, MS, DAY, false)},
    {SECONDS(health, timeout, 1, MS, DAY, false)},
    {OTHER(COUNT32, health, rise, 1, 1, 100, false)},
    {OTHER(COUNT32, health, fall, 2, 1, 100, false)},
    {OTHER(COUNT32, health, eject_after, 5, 0, 1000000, false)},
    {SECONDS(health, eject_for, 10, MS, 300, false)}, /* it doubles up to 300 s */
    {SECONDS(health, slow_start, 0, MS, DAY, true)},
    {OTHER(FRACTION, health, panic, 0, 0, 1, false)},
};

static const struct setting timeouts[] = {
    {SECONDS(timeouts, connect, 1, MS, DAY, false)},
    {SECONDS(timeouts, request_head, 10, MS, DAY, false)},
    {SECONDS(timeouts, request_body, 30, MS, DAY, false)},
    {SECONDS(timeouts, response_head, 30, MS, DAY, false)},
    {SECONDS(timeouts, response_body, 30, MS, DAY, false)},
    {SECONDS(timeouts, keep_alive, 75, MS, DAY, false)},
    {SECONDS(timeouts, upstream_idle, 60, MS, DAY, false)},
    {SECONDS(timeouts, request, 0, MS, DAY, true)},
    {SECONDS(timeouts, queue, 1, MS, DAY, false)},
    {SECONDS(timeouts, tunnel, 3600, MS, 7 * DAY, false)},
    {SECONDS(timeouts, tls_handshake, 10, MS, DAY, false)},
};

static const struct setting limits[] = {
    {OTHER(COUNT64, limits, request_line, 8192, 64, MIB, false)},
    {OTHER(COUNT64, limits, head, 65536, 256, 16 * MIB, false)},
    {OTHER(COUNT64, limits, fields, 128, 1, 10000, false)},
    {OTHER(COUNT64, limits, body, 0, 1, 1024 * GIB, true)},
    {OTHER(COUNT64, limits, replay, 65536, 0, GIB, false)},
    {OTHER(COUNT64, limits, queue, 0, 1, 1000000, true)},
    {OTHER(COUNT64, limits, least_rate, 100, 1, GIB, true)},
    {OTHER(COUNT64, limits, connections, 0, 1, 10000000, true)},
    {OTHER(COUNT64, limits, per_client, 0, 1, 10000000, true)},
    {OTHER(COUNT64, limits, per_client_requests, 0, 1, 10000000, true)},
    {SECONDS(limits, connection_age, 0, MS, 7 * DAY, true)},
    {OTHER(COUNT64, limits, memory, 0, 16 * MIB, 1024 * GIB, true)},
    {OTHER(COUNT32, limits, attempts, 3, 1, 100, false)},
    {OTHER(FRACTION, limits, retry_budget, 0.2, 0, 1, false)},
};

static const struct setting h2[] = {
    {OTHER(COUNT32, h2, streams, 100, 1, 10000, false)},
    {OTHER(FLAG, h2, websocket, 1, 0, 1, false)},
    {OTHER(COUNT32, h2, backend_streams, 100, 1, 10000, false)},
};

static const struct setting drain[] = {
    {.name = "delay_s",
     SETTING_SECONDS,
     offsetof(struct config, drain.delay_ms),
     0,
     MS,
     3600,
     true},
};

static const struct setting discovery[] = {
    {SECONDS(discovery, interval, 10, 0.1, DAY, false)},
    {OTHER(COUNT32, discovery, min, 1, 0, 4096, false)},
    {OTHER(FRACTION, discovery, max_drop, 0.5, 0, 1, false)},
    {OTHER(COUNT32, discovery, confirm, 3, 1, 1000, false)},
    {SECONDS(discovery, drain, 60, MS, DAY, false)},
};

static const struct setting script[] = {
    {OTHER(COUNT64, script_limits, budget_ms, 10, 1, 60000, true)},
    {OTHER(COUNT64, script_limits, memory, 64 * MIB, MIB, 64 * GIB, true)},
    {OTHER(COUNT64, script_limits, park, 5, 1, 1000000, true)},
    {OTHER(COUNT64, script_limits, connections, 256, 1, 65536, false)},
    {SECONDS(script_limits, await, 10, MS, DAY, false)},
};

static const struct setting explain[] = {
    {OTHER(COUNT32, explain, keep, 1000, 1, DECISIONS_USUAL_MAX, true)},
    {SECONDS(explain, seconds, 60, MS, DAY, false)},
    {SECONDS(explain, slow, 1, MS, DAY, false)},
};

const struct settings_group settings_groups[SETTINGS_GROUPS] = {
    {"health", health, COUNT(health)},    {"timeouts", timeouts, COUNT(timeouts)},
    {"limits", limits, COUNT(limits)},    {"h2", h2, COUNT(h2)},
    {"drain", drain, COUNT(drain)},       {"script", script, COUNT(script)},
    {"explain", explain, COUNT(explain)}, {"discovery", discovery, COUNT(discovery)},
};

double setting_get(const struct config *config, const struct setting *setting)
{
    const void *member = (const char *)config + setting->offset;

    switch (setting->kind) {
    case SETTING_COUNT32:
        return *(const uint32_t *)member;
    case SETTING_FRACTION:
        return *(const double *)member;
    case SETTING_FLAG:
        return *(const bool *)member;
    case SETTING_SECONDS:
        return (double)*(const uint64_t *)member / 1000;
    default:
        return (double)*(const uint64_t *)member;
    }
}

void setting_set(struct config *config, const struct setting *setting, double value)
{
    void *member = (char *)config + setting->offset;
    uint64_t ms;

    switch (setting->kind) {
    case SETTING_COUNT32:
        *(uint32_t *)member = (uint32_t)value;
        break;
    case SETTING_FRACTION:
        *(double *)member = value;
        break;
    case SETTING_FLAG:
        *(bool *)member = value != 0;
        break;
    case SETTING_SECONDS: /* a value above 0 must not round to 0, which means "none" */
        ms = (uint64_t)llround(value * 1000);
        *(uint64_t *)member = value > 0 && ms == 0 ? 1 : ms;
        break;
    case SETTING_COUNT64:
        *(uint64_t *)member = (uint64_t)value;
        break;
    }
}

void settings_set_defaults(struct config *config)
{
    for (unsigned i = 0; i < SETTINGS_GROUPS; i++)
        for (unsigned j = 0; j < settings_groups[i].count; j++)
            setting_set(config, &settings_groups[i].settings[j],
                        settings_groups[i].settings[j].standard);
    config->discovery.ttl_min_ms = 1000;
    config->discovery.ttl_max_ms = 10000;
}
