/*
 * settings - every setting that is a number: its name, default and range.
 *
 * The one table that loading, printing and the defaults go by.
 */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include "config/config.h"

#include <stddef.h>

enum setting_kind {
    SETTING_SECONDS,  /* uint64_t, in ms in the struct */
    SETTING_COUNT32,  /* uint32_t */
    SETTING_COUNT64,  /* uint64_t: a count, bytes, or ms that are ms in the script too */
    SETTING_FRACTION, /* double */
    SETTING_FLAG,     /* bool; in the script true or false */
};

struct setting {
    const char *name;
    enum setting_kind kind;
    size_t offset; /* in struct config */
    double standard, least, most;
    bool or_zero; /* 0 is allowed too, below least: "none" */
};

struct settings_group { /* one table of the script */
    const char *name;
    const struct setting *settings;
    unsigned count;
};

enum { SETTINGS_GROUPS = 8 };
extern const struct settings_group settings_groups[SETTINGS_GROUPS];

void settings_set_defaults(struct config *);
double setting_get(const struct config *, const struct setting *); /* as the script says it */
void setting_set(struct config *, const struct setting *, double value);

#endif
