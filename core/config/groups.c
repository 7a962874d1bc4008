#include "config/groups.h"

#include "config/probes.h"
#include "config/settings.h"
#include "config/sources.h"
#include "lua/fields.h"

#include <string.h>

enum { NAMES_MAX = 32 };

static void read_setting(struct config *config, struct fields *table, const struct setting *setting)
{
    const struct fields_range range = {setting->least, setting->most, setting->or_zero,
                                       setting->kind == SETTING_COUNT32 ||
                                           setting->kind == SETTING_COUNT64,
                                       setting->kind == SETTING_SECONDS ? "seconds" : NULL};
    double value;
    bool flag;

    if (setting->kind == SETTING_FLAG) {
        flag = setting_get(config, setting) != 0;
        fields_flag(table, setting->name, &flag);
        setting_set(config, setting, flag);
    } else if (fields_number(table, setting->name, 0, &range, &value)) {
        setting_set(config, setting, value);
    }
}

static void check_heads(struct config *config, struct fields *limits)
{
    if (config->limits.request_line <= config->limits.head)
        return;
    if (fields_type(limits, "request_line", 0) == FIELDS_NOTHING)
        config->limits.request_line = config->limits.head; /* a small head has a small first line */
    else
        fields_fail(limits, "request_line", 0, "expected limits.head (%llu) at most, got %llu",
                    (unsigned long long)config->limits.head,
                    (unsigned long long)config->limits.request_line);
}

/* Names of a group that are no numbers, and who reads them. */
static const struct {
    const char *group;
    const char *const *names;
    void (*read)(struct config *, struct fields *table);
} others[] = {{"health", probes_names, probes_read}, {"discovery", sources_names, sources_read}};

enum { OTHERS = sizeof others / sizeof *others };

static unsigned find_other(const char *group)
{
    unsigned i = 0;

    while (i < OTHERS && strcmp(others[i].group, group) != 0)
        i++;
    return i;
}

static void read_group(struct config *config, struct fields *root,
                       const struct settings_group *group)
{
    unsigned other = find_other(group->name);
    const char *known[NAMES_MAX];
    struct fields table;
    unsigned count = 0;

    if (strcmp(group->name, "health") == 0 && fields_type(root, "health", 0) == FIELDS_FUNCTION) {
        config->health.type = CONFIG_HEALTH_LUA; /* everything else as it is */
        return;
    }
    if (!fields_enter(&table, root, group->name, 0))
        return;
    while (count < group->count)
        known[count] = group->settings[count].name, count++;
    if (other < OTHERS)
        for (const char *const *name = others[other].names; *name != NULL; name++)
            known[count++] = *name;
    known[count] = NULL;
    fields_check_names(&table, known);
    for (unsigned i = 0; i < group->count; i++)
        read_setting(config, &table, &group->settings[i]);
    if (other < OTHERS)
        others[other].read(config, &table);
    if (strcmp(group->name, "limits") == 0 && !root->wrong->is_set)
        check_heads(config, &table);
    fields_leave(&table);
}

void groups_read(struct config *config, struct fields *root)
{
    for (unsigned i = 0; i < SETTINGS_GROUPS; i++)
        read_group(config, root, &settings_groups[i]);
}
