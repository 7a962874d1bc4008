/*
 * breaches - what is made of a hook's call that went wrong: it is counted, and said.
 *
 * One per loaded script and worker; policy.c answers for the script, here is what
 * becomes known of it.
 */
#ifndef POLICY_BREACHES_H
#define POLICY_BREACHES_H

#include "config/config.h"
#include "policy/bindings.h"
#include "policy/complaints.h"
#include "policy/script.h"
#include "shared/segment.h"

struct breaches {
    const char *script_name; /* for the log */
    struct segment_worker *counts;
    struct complaints complaints;
};

void breaches_init(struct breaches *, const struct config *, struct segment *,
                   unsigned worker); /* borrows */
/* Of the script's last call, before script_recover. The call's facts say which request it was. */
void breaches_note(struct breaches *, struct script *, enum script_hook, enum script_breach,
                   const struct binding_call *);

const char *breaches_script_name(const struct config *); /* "balancer.lua", without its folder */

#endif
