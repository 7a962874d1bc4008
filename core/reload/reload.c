#include "reload/reload.h"

#include "base/clock.h"
#include "base/log.h"
#include "config/certificates.h"
#include "config/tls.h"
#include "config/tracing.h"
#include "lua/place.h"
#include "os/waited.h"
#include "reload/differences.h"
#include "script/budget.h"
#include "shared/board.h"
#include "shared/parking.h"
#include "shared/reloaded.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TRY_MAX_MS = 30000,    /* a script may have set itself no bound */
    CHECK_GRACE_MS = 1000, /* beyond health.timeout */
    FOLLOW_MAX_MS = 10000,
    MONITOR_END_MS = 1000,
    POLL_MS = 2, /* the segment is looked at while somebody is waited for */
};

static void reload_enter(struct reload *r, enum reload_state state, uint64_t within_ms)
{
    DCHECK(state == r->state + 1 || (state == RELOAD_IDLE && r->state != RELOAD_CHECKING) ||
           (state == RELOAD_FOLLOWING && r->state == state));
    r->state = state;
    r->ends_ms = within_ms == UINT64_MAX ? UINT64_MAX : clock_steady_ms() + within_ms;
}

/* --- asked --- */

int reload_init(struct reload *r, const struct config *first, const struct options *options,
                struct segment *segment, struct children *children, struct spread *spread)
{
    struct buffer ignored = {0};

    r->first = first;
    r->options = options;
    r->segment = segment;
    r->children = children;
    r->monitor = first->workers;
    r->trial = first->workers + 1;
    r->budget_ms = first->script_limits.budget_ms;
    r->edition = edition_new(tls_is_used(first));
    r->report =
        mmap(NULL, sizeof *r->report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (r->edition == NULL || r->report == MAP_FAILED)
        return -1;
    r->rollout = (struct rollout){.segment = segment,
                                  .children = children,
                                  .edition = r->edition,
                                  .spread = spread,
                                  .workers = first->workers};
    r->roll = (struct roll){
        .segment = segment, .slots = &r->slots, .edition = r->edition, .first = first};
    for (unsigned i = 0; i < first->backends_count; i++) {
        const struct config_backend *b = &first->backends[i];

        r->slots.identity[b->slot] = slots_identity(b->name, b->written);
        r->edition->draft.slots[i] = (uint16_t)b->slot;
    }
    edition_call_the_first(first, segment);
    if (edition_draft(r->edition, first, &ignored)) /* what the next one is compared with */
        edition_keep(r->edition, EDITION_FIRST);
    buffer_dispose(&ignored);
    reload_enter(r, RELOAD_IDLE, UINT64_MAX);
    return 0;
}

void reload_dispose(struct reload *r)
{
    edition_free(r->edition);
    munmap(r->report, sizeof *r->report);
    roll_dispose(&r->roll);
    buffer_dispose(&r->changed);
}

bool reload_is_possible(const struct reload *r)
{
    return strcmp(r->first->script_path, r->options->script) == 0;
}

void reload_ask(struct reload *r)
{
    r->is_wanted = true;
}

static void reload_refuse(struct reload *, const char *why);

static void reload_try(struct reload *r)
{
    r->is_wanted = false;
    if (!reload_is_possible(r)) {
        reload_refuse(r, "it is built in, and no file that could change");
        return;
    }
    r->began_ms = clock_steady_ms();
    reloaded_begin(r->segment, r->began_ms);
    *r->report = (struct reload_report){0};
    r->trial_granted_ms = 0;
    reload_enter(r, RELOAD_TRYING, TRY_MAX_MS);
    children_start(r->children, r->trial);
}

void reload_end_trial(struct reload *r)
{
    pid_t pid = r->children->list[r->trial].pid;

    if (pid != 0)
        kill(pid, SIGKILL); /* it may be stopped */
}

/* --- tried --- */

/* The number behind the name of the script, or of a module: "balancer.lua:7: unknown field". */
static unsigned line_of(const struct reload *r, const char *message)
{
    struct slice behind;
    const char *name_end;

    if (place_begins(slice_of(message), r->options->script, &behind))
        return place_line(behind);
    name_end = message + strcspn(message, ": ");
    return place_line(slice_of(name_end));
}

static void reload_refuse(struct reload *r, const char *why)
{
    struct reloaded result = {.line = line_of(r, why)};

    snprintf(result.text, sizeof result.text, "%s", why);
    reloaded_end(r->segment, &result);
    totals_add(TOTALS_RELOADS_REFUSED, 1);
    log_event(LOG_ERROR, "reload_refused",
              LOG_PAIRS({"script", r->options->script}, {"#line", LOG_NUMBER(line_of(r, why))},
                        {"error", why}),
              "the script that runs stays: %s", why);
    reload_enter(r, RELOAD_IDLE, UINT64_MAX);
}

static void reload_refuse_ending(struct reload *r, int status)
{
    char why[RELOAD_MESSAGE_BYTES + 64];

    if (WIFEXITED(status) && WEXITSTATUS(status) == BUDGET_STUCK_STATUS)
        snprintf(why, sizeof why, "%s: a script is stuck where it cannot be stopped",
                 r->options->script);
    else if (WIFSIGNALED(status) && clock_steady_ms() >= r->ends_ms)
        snprintf(why, sizeof why, "%s: loading it takes more than %d s", r->options->script,
                 TRY_MAX_MS / 1000);
    else if (WIFSIGNALED(status))
        snprintf(why, sizeof why, "%s: loading it crashed its process (signal %d: %s)",
                 r->options->script, WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(why, sizeof why, "%s", r->report->message);
    reload_refuse(r, why);
}

/* --- offered --- */

static void open_slots(struct reload *r, const struct edition_text *draft)
{
    r->added = 0;
    for (unsigned i = 0; i < draft->backends; i++) {
        if (slots_has(&r->slots, draft->slots[i]))
            continue;
        roll_open_slot(&r->roll, draft->slots[i]);
        r->added++;
    }
}

static void note_change(struct reload *r, const char *what)
{
    if (buffer_length(&r->changed) > 0)
        buffer_append_text(&r->changed, ", ");
    buffer_append_text(&r->changed, what);
}

/* Has the list "h2.streams, tls" the group, or a setting in it? */
static bool names_group(struct slice list, struct slice group)
{
    while (list.length > 0) {
        struct slice name = slice_trim(slice_take_until(&list, ','));

        if (slice_begins(name, group) &&
            (name.length == group.length || name.start[group.length] == '.'))
            return true;
    }
    return false;
}

static void note_changes(struct reload *r, struct edition_text *draft)
{
    const struct edition_text *now = edition_current(r->edition);
    bool files_differ =
        !slice_is(vault_slice(&now->certificates), vault_slice(&draft->certificates));
    bool text_differs = !slice_is(edition_script(now), edition_script(draft)) ||
                        !slice_is(edition_modules(now), edition_modules(draft));

    buffer_clear(&r->changed);
    differences_name(&r->changed, edition_settings(now), edition_settings(draft));
    draft->has_new_files = files_differ && !text_differs && buffer_length(&r->changed) == 0;
    if (files_differ && !names_group(buffer_slice(&r->changed), SLICE("tls")))
        note_change(r, "tls");
    if (strcmp(now->about.admin.token, draft->about.admin.token) != 0 &&
        !names_group(buffer_slice(&r->changed), SLICE("admin")))
        note_change(r, "admin.token");
    if (tracing_headers_differ(&now->about.tracing, &draft->about.tracing) &&
        !names_group(buffer_slice(&r->changed), SLICE("tracing")))
        note_change(r, "tracing.headers");
    if (text_differs)
        note_change(r, "text");
}

static void renew_monitor(struct reload *r)
{
    pid_t pid = r->children->list[r->monitor].pid;

    if (pid != 0) {
        if (!r->renews_monitor)
            r->renewed_ms = clock_steady_ms();
        r->renews_monitor = true;
        kill(pid, SIGQUIT);
    } else { /* the first script had no backends, or the monitor is due to start again */
        r->children->list[r->monitor].start_at_ms = 0;
    }
}

bool reload_on_monitor_ended(struct reload *r)
{
    if (!r->renews_monitor)
        return false;
    r->renews_monitor = false;
    r->children->list[r->monitor].start_at_ms = 0; /* at once */
    return true;
}

static void reload_offer(struct reload *r)
{
    struct edition_text *draft = &r->edition->draft;
    struct buffer why = {0};
    uint64_t may_wait_ms;
    bool is_for_monitor;

    r->tried_ms = clock_steady_ms() - r->began_ms;
    roll_give_slots_back(&r->roll);
    if (!slots_find(&r->slots, draft->identities, draft->backends, draft->slots)) {
        reload_refuse(r, "too many removed backends are still in use");
        return;
    }
    if (!r->may_offer(r->owner, draft, &why)) {
        reload_refuse(r, buffer_text(&why));
        buffer_dispose(&why);
        return;
    }
    note_changes(r, draft);
    open_slots(r, draft);
    edition_call_the_roll(draft, r->segment);
    is_for_monitor =
        !draft->has_new_files || certificates_are_for_backends(vault_slice(&draft->certificates));
    edition_offer(r->edition); /* wipes the draft's certificates */
    if (is_for_monitor)
        renew_monitor(r);
    may_wait_ms = is_for_monitor ? r->report->first_list_ms : 0;
    if (r->added > 0 || may_wait_ms > 0)
        may_wait_ms += r->report->check_ms + CHECK_GRACE_MS;
    reload_enter(r, RELOAD_CHECKING, may_wait_ms);
}

void reload_on_tried(struct reload *r, int status)
{
    if (r->state != RELOAD_TRYING)
        return;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && r->report->is_good)
        reload_offer(r);
    else
        reload_refuse_ending(r, status);
}

/* --- followed --- */

static void begin_rollout(struct reload *r)
{
    rollout_begin(&r->rollout, FOLLOW_MAX_MS + r->tried_ms);
    reload_enter(r, RELOAD_FOLLOWING, r->rollout.patience_ms);
}

static void reload_follow(struct reload *r)
{
    if (r->report->budget_ms > r->budget_ms)
        r->budget_ms = r->report->budget_ms;
    r->goes_back = false;
    parking_forget(r->segment);
    edition_follow(r->edition);
    begin_rollout(r);
}

/* Some worker may have gone by it already: its slots are kept until no request does. */
static void reload_go_back(struct reload *r, const char *why)
{
    snprintf(r->report->message, sizeof r->report->message, "%s", why);
    r->goes_back = true;
    roll_mark_slots(&r->roll);
    parking_forget(r->segment);
    roll_take_back(&r->roll);
    edition_take_back(r->edition);
    edition_call_the_roll(edition_current(r->edition), r->segment);
    renew_monitor(r);
    begin_rollout(r);
}

/* Anybody may have killed a worker that ends while it loads. If its successor ends so, too, it is
 * the script. */
void reload_on_worker_ended(struct reload *r, unsigned which, int status)
{
    char why[RELOAD_MESSAGE_BYTES];

    if (r->state != RELOAD_FOLLOWING || r->goes_back || status == 0 ||
        !rollout_began_with_it(&r->rollout, which) ||
        atomic_load(&segment_worker(r->segment, which)->edition) != 0)
        return;
    snprintf(why, sizeof why, "%s: loading it crashed %s", r->options->script,
             r->children->list[which].name);
    reload_go_back(r, edition_refusal(r->edition) != NULL ? edition_refusal(r->edition) : why);
}

static void leave_slots(struct reload *r)
{
    roll_mark_slots(&r->roll);
    r->removed = 0;
    for (unsigned i = 0; i < SEGMENT_BACKENDS_MAX; i++) {
        if (slots_has(&r->slots, i) || !segment_slot_is_used(r->segment, i))
            continue;
        board_leave_slot(r->segment, i);
        r->removed++;
    }
}

static void warn_of_kept(const struct reload *r)
{
    char what[KEPT_BYTES];

    reload_list_kept(r->report, " and ", what);
    if (what[0] != '\0')
        log_event(LOG_WARN, "reload_kept", LOG_PAIRS({"kept", what}),
                  "%s cannot change while lb runs: restart it for the new value", what);
}

static void reload_tell(struct reload *r, const char *changed)
{
    struct reloaded result = {.is_taken = true,
                              .edition = atomic_load(&r->edition->current),
                              .ms = clock_steady_ms() - r->began_ms};
    char kept[KEPT_BYTES];

    reload_list_kept(r->report, ",", kept);
    snprintf(result.text, sizeof result.text, "%s;%s", kept, changed);
    reloaded_end(r->segment, &result);
}

static void reload_finish(struct reload *r)
{
    const char *ms = LOG_NUMBER(clock_steady_ms() - r->began_ms), *changed;

    rollout_end(&r->rollout);
    leave_slots(r);
    roll_settle(&r->roll);
    r->on_settled(r->owner);
    if (r->goes_back) {
        reload_refuse(r, r->report->message);
        return;
    }
    totals_add(TOTALS_RELOADS, 1);
    changed = buffer_text(&r->changed);
    reload_tell(r, changed);
    log_event(LOG_INFO, "reload",
              LOG_PAIRS({"script", r->options->script},
                        {"#backends", LOG_NUMBER(edition_current(r->edition)->backends)},
                        {"#added", LOG_NUMBER(r->added)}, {"#removed", LOG_NUMBER(r->removed)},
                        {"changed", changed}, {"#ms", ms},
                        {"#init_ms", LOG_NUMBER(rollout_longest_ms(&r->rollout))}),
              "%s is loaded in %s ms; changed: %s", r->options->script, ms,
              changed[0] != '\0' ? changed : "nothing");
    warn_of_kept(r);
    reload_enter(r, RELOAD_IDLE, UINT64_MAX);
}

/* --- time --- */

static void end_trial(struct reload *r)
{
    struct child *child = &r->children->list[r->trial];

    if (child->pid != 0) {
        kill(child->pid, SIGKILL);
    } else {
        child->start_at_ms = UINT64_MAX;
        reload_refuse(r, "the system has no process to try it in");
    }
}

/* Its script keeps the monitor too busy to see SIGQUIT, or it stands still. */
static void insist_on_monitor(struct reload *r)
{
    pid_t pid = r->children->list[r->monitor].pid;

    if (r->renews_monitor && pid != 0 && clock_steady_ms() >= r->renewed_ms + MONITOR_END_MS)
        kill(pid, SIGKILL);
}

static void reload_step_following(struct reload *r, bool is_late)
{
    if (!r->goes_back && edition_refusal(r->edition) != NULL) {
        reload_go_back(r, edition_refusal(r->edition));
    } else if (rollout_is_taken(&r->rollout) && !rollout_has_next(&r->rollout)) {
        reload_finish(r);
    } else if (rollout_is_taken(&r->rollout)) {
        rollout_give_next(&r->rollout);
        reload_enter(r, RELOAD_FOLLOWING, r->rollout.patience_ms);
    } else if (is_late &&
               !waited_grant(rollout_pid(&r->rollout), &r->ends_ms, &r->rollout.waited_ms)) {
        rollout_replace_slow(&r->rollout);
        reload_enter(r, RELOAD_FOLLOWING, r->rollout.patience_ms);
    }
}

void reload_step(struct reload *r)
{
    bool is_late = clock_steady_ms() >= r->ends_ms;

    insist_on_monitor(r);
    switch (r->state) {
    case RELOAD_IDLE:
        expiry_look(&r->expiry, r->edition);
        if (r->is_wanted)
            reload_try(r);
        break;
    case RELOAD_TRYING:
        if (is_late &&
            !waited_grant(r->children->list[r->trial].pid, &r->ends_ms, &r->trial_granted_ms))
            end_trial(r);
        break;
    case RELOAD_CHECKING:
        if (is_late ||
            atomic_load(&r->edition->answers->checked) == atomic_load(&r->edition->offered))
            reload_follow(r);
        break;
    case RELOAD_FOLLOWING:
        reload_step_following(r, is_late);
        break;
    }
}

static enum roll_time roll_time_of(const struct reload *r)
{
    return r->state == RELOAD_CHECKING    ? ROLL_LOADING
           : r->state == RELOAD_FOLLOWING ? ROLL_WAITS
                                          : ROLL_USUAL;
}

void reload_step_roll(struct reload *r)
{
    roll_step(&r->roll, roll_time_of(r));
}

uint64_t reload_next_roll_ms(const struct reload *r)
{
    return roll_next_ms(&r->roll, roll_time_of(r));
}

uint64_t reload_next_ms(const struct reload *r)
{
    switch (r->state) {
    case RELOAD_IDLE:
        return r->is_wanted ? 0 : expiry_next_ms(&r->expiry, r->edition);
    case RELOAD_TRYING:
        return r->ends_ms;
    default:
        return clock_steady_ms() + POLL_MS;
    }
}
