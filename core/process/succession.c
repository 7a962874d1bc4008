#include "process/succession.h"

#include "base/clock.h"
#include "config/load.h"
#include "config/output.h"
#include "os/children.h"
#include "os/notify.h"
#include "os/passing.h"
#include "os/pid_file.h"
#include "os/program.h"
#include "process/channel.h"
#include "process/supervisor.h"
#include "process/supervisor_inside.h"
#include "process/way_back.h"
#include "reload/trial.h"
#include "shared/carried.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { AGAIN_MS = 5000 };

/* --- tried --- */

static int refuse(struct slice why)
{
    fprintf(stderr, "%.*s\n", (int)why.length, why.start);
    return 2;
}

static int try_settings(const struct handover *h, const struct config *config, struct buffer *error)
{
    int signals, status;

    if (!handover_fits(h, config, error))
        return refuse(buffer_slice(error));
    signals = signals_open();
    if (signals < 0)
        return refuse(SLICE("lb: signals cannot be read"));
    if (!trial_run(config, true, signals, &status))
        return status != 0 ? status : 1;
    printf(HANDOVER_ANSWER "%016" PRIx64 "\n", segment_layout());
    return fflush(stdout) == 0 ? 0 : 1;
}

static int try_all(const struct options *options, const struct handover *h)
{
    struct segment *segment = segment_new();
    struct buffer error = {0};
    struct config *config;
    int status;

    if (segment == NULL)
        return refuse(SLICE("lb: no shared memory"));
    config = config_load(options, segment, &error);
    status = config == NULL ? refuse(buffer_slice(&error)) : try_settings(h, config, &error);
    config_free(config);
    segment_free(segment);
    buffer_dispose(&error);
    return status;
}

/* --- in earnest, while something is missing --- */

static void end_guests(const struct handover *h)
{
    struct slice rest = handover_text(h);
    const char drain = CHANNEL_DRAIN;
    struct record r;

    while (handover_next(&rest, "child", &r)) {
        int channel = (int)record_number(&r, "fd", (uint64_t)-1);

        if (channel < 0 || passing_send(channel, &drain, 1, NULL, 0) != 0)
            kill((pid_t)record_number(&r, "pid", 0), SIGQUIT);
    }
    while (wait(NULL) > 0 || errno == EINTR)
        ;
}

/* Its logs are theirs as long as this program has none. */
static void reopen_guests(const struct handover *h)
{
    struct slice rest = handover_text(h);
    struct record r;

    while (handover_next(&rest, "child", &r))
        kill((pid_t)record_number(&r, "pid", 0), SIGUSR1);
}

/* False: lb is to end. Whoever watches over it sees that it serves. */
static bool wait_to_begin_again(const struct handover *h, int signals)
{
    uint64_t until_ms = clock_steady_ms() + AGAIN_MS;
    struct notify notify;
    int number;

    notify_open(&notify);
    notify.told = NOTIFY_SERVING;
    notify.fed_ms = 0;
    while (clock_steady_ms() < until_ms) {
        uint64_t next_ms;

        notify_follow(&notify, NOTIFY_SERVING, "", true);
        next_ms = notify_next_ms(&notify);
        signals_wait(signals, next_ms < until_ms ? next_ms : until_ms);
        while ((number = signals_next(signals)) != 0) {
            if (number == SIGUSR2 || number == SIGHUP)
                return true;
            if (number == SIGTERM || number == SIGINT || number == SIGQUIT)
                return false;
            if (number == SIGUSR1)
                reopen_guests(h);
        }
    }
    return true;
}

/* Begins anew, as a process that has nothing of this one but what was handed over. */
static int hold(const struct options *options, const struct handover *h, const char *why)
{
    struct pid_file pid_file = {.path = options->pid_file, .is_there = true};
    int signals = signals_open();

    do {
        check_last_words("upgrade_failed",
                         "lb: it cannot go on, so the workers of the program before serve on, and "
                         "it tries again in %d s: %s",
                         AGAIN_MS / 1000, why);
        asker_fail(h, why);
        if (!wait_to_begin_again(h, signals)) {
            end_guests(h);
            pid_file_remove(&pid_file);
            return 0;
        }
        handover_keep(handover_text(h), true);
        program_keep(h->fd, true);
        handover_name(h->fd, false);
        why = strerror(-program_run());
        handover_keep(handover_text(h), false);
    } while (true);
}

/* --- in earnest --- */

/* The script finds its values there. */
static struct segment *open_segment(struct handover *h)
{
    struct segment *s;

    if (h->is_same_layout)
        return segment_map(h->segment_fd);
    s = segment_new_kept(&h->segment_fd);
    if (s != NULL)
        h->lost = carried_read_values(s, 0, handover_text(h));
    return s;
}

static int succeed(const struct options *options, struct handover *h, struct segment *segment,
                   struct config *config, struct buffer *error)
{
    struct options in_effect = *options;
    int signals;

    if (config == NULL || !handover_fits(h, config, error))
        return hold(options, h, buffer_text(error));
    if (!handover_place(h, config))
        return hold(options, h, "too many removed backends are still in use");
    if (!output_open(config, &in_effect))
        return hold(options, h, "log.file cannot be opened");
    signals = signals_open();
    if (signals < 0)
        return hold(options, h, "signals cannot be read");
    return supervisor_run(&(struct supervisor_task){.config = config,
                                                    .segment = segment,
                                                    .segment_fd = h->segment_fd,
                                                    .options = &in_effect,
                                                    .signals = signals,
                                                    .handover = h});
}

static int succeed_all(const struct options *options, struct handover *h)
{
    struct segment *segment = open_segment(h);
    struct buffer error = {0};
    struct config *config;
    int status;

    if (segment == NULL)
        return hold(options, h, "its shared memory cannot be mapped");
    config = config_load(options, segment, &error);
    status = succeed(options, h, segment, config, &error);
    config_free(config);
    segment_free(segment);
    buffer_dispose(&error);
    return status;
}

int succession_run(const struct options *options, struct handover *h)
{
    static const char why[] =
        "the program crashed before its workers were ready: the one before goes "
        "on, whose workers have served all the time";
    int status;

    if (h->is_back) {
        check_last_words("upgrade_failed", "lb: %s", why);
        asker_fail(h, why);
    }
    way_back_open(h);
    status = h->is_trial ? try_all(options, h) : succeed_all(options, h);
    if (status != 0) /* it is over before anything was decided */
        way_back_take();
    handover_free(h);
    return status;
}
