/*
 * monitor_script - what a script does in the monitor: health(backend), on_health, and timers with
 * once = true.
 *
 * Only a script that has one of these gets this VM. Its checks replace health's probes. on_health
 * is called for every change that is seen, in order; if there are more than there is room for, the
 * oldest are lost. No call delays a check by more than script.budget_ms, as each is an event of
 * its own.
 */
#ifndef PROCESS_MONITOR_SCRIPT_H
#define PROCESS_MONITOR_SCRIPT_H

#include "discover/members.h"
#include "health/health.h"
#include "net/loop.h"
#include "shared/segment.h"

struct monitor_script;

/* Borrows all. NULL: the script has nothing to do here, or cannot be loaded, which is logged;
 * then backends are probed by a connect. Call before the loop runs. */
struct monitor_script *monitor_script_new(struct loop *, const struct membership *,
                                          struct segment *, struct health *);
/* The members have changed; one is no more, and not checked any more either. */
void monitor_script_follow(struct monitor_script *);
void monitor_script_take_away(struct monitor_script *, unsigned place);
/* Ends what is under way, in silence, and the health's asking. NULL is fine. */
void monitor_script_free(struct monitor_script *);

#endif
