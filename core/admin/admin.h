/*
 * admin - what the admin process knows: all that it tells is read from memory that all share.
 */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include "config/config.h"
#include "shared/roster.h"
#include "shared/segment.h"

#include <sys/types.h>

struct admin {
    const struct config_admin *config;
    const struct config_tracing *tracing;
    struct segment *segment;
    const _Atomic uint64_t *edition; /* of the script that all go by */
    const char *script;              /* its path, for people */
    pid_t supervisor;
    int upgrades; /* connections that ask for one go to the supervisor there; -1: none can */
};

#endif
