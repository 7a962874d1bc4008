#include "shared/hooks.h"

const char *hook_name(enum hook hook)
{
    static const char *const names[HOOKS] = {"choose",  "on_failure", "on_response",
                                             "on_done", "init",       "timer",
                                             "health",  "on_health",  "finally"};

    return names[hook];
}

const char *breach_name(enum breach breach)
{
    static const char *const names[BREACHES] = {"none",   "error", "timeout",
                                                "memory", "yield", "answer"};

    return names[breach];
}
