/*
 * upgrade - another program takes the place of this one, in the same process.
 *
 *   SIGUSR2           it could                              ready
 *   ---------> TRIED -----------> execve: takeover.c -------------> the workers before it end
 *                | it could not       |
 *                v                    | the system refuses
 *          upgrade_refused <----------'
 *
 * A child runs the program first, with what the program would be given. It loads the script as a
 * worker does and looks whether it can go on here. Until execve nothing has changed. From then on
 * the children go on as they are: each has the segment, its sockets, and its channel to the
 * supervisor, whichever program that runs.
 */
#include "process/supervisor_inside.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "net/tls_move.h"
#include "os/program.h"
#include "process/scribe.h"
#include "shared/carried.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRY_MAX_MS = 40000, WORDS_MOST = 1000, ANSWER_MOST = 65536 };

void upgrade_init(struct upgrade *u, unsigned trial)
{
    *u = (struct upgrade){
        .trial = trial, .text = -1, .answer = -1, .ends_ms = UINT64_MAX, .asker = -1};
}

bool upgrade_is_tried(const struct supervisor *s)
{
    return s->upgrade.answer >= 0;
}

void upgrade_ask(struct supervisor *s)
{
    if (!s->upgrade.is_wanted && !upgrade_is_tried(s))
        s->upgrade.began_ms = clock_steady_ms();
    s->upgrade.is_wanted = true;
}

static void upgrade_forget(struct upgrade *u)
{
    if (u->text >= 0)
        close(u->text);
    if (u->answer >= 0)
        close(u->answer);
    u->text = u->answer = -1;
    u->ends_ms = UINT64_MAX;
}

static void upgrade_refuse(struct supervisor *s, const char *why)
{
    const char *path = program_path();

    upgrade_forget(&s->upgrade);
    log_event(LOG_ERROR, "upgrade_refused",
              LOG_PAIRS({"program", path != NULL ? path : "?"}, {"error", why}),
              "the program that runs stays: %s", why);
    totals_add(TOTALS_UPGRADES_REFUSED, 1);
    asker_refuse(s, 422, why);
}

/* --- what is handed over --- */

static void add_fd(struct buffer *out, const char *kind, int fd)
{
    size_t begun = records_begin(out, kind);

    records_add_number(out, "fd", (uint64_t)fd);
    records_end(out, begun);
}

static void add_about(const struct supervisor *s, struct buffer *out)
{
    size_t begun = records_begin(out, "lb");

    records_add(out, "version", slice_of(VERSION));
    if (program_path() != NULL)
        records_add(out, "path", slice_of(program_path()));
    records_add_number(out, "layout", segment_layout());
    records_add_number(out, "workers", s->config->workers);
    records_add_number(out, "began_ms", s->upgrade.began_ms);
    records_add_number(out, "budget_ms", s->reload.budget_ms);
    records_add_number(out, "beside", (uint64_t)s->sockets.beside);
    records_end(out, begun);
    handover_add_listeners(out, s->config);
}

static void add_child(const struct supervisor *s, unsigned which, struct buffer *out)
{
    const struct child *child = &s->children.list[which];
    bool is_worker = which < s->config->workers, is_admin = which == s->admin.which;
    unsigned slot = is_worker ? segment_slot_of(s->segment, which) : GUEST_ELSEWHERE;
    size_t begun;

    if (child->pid == 0 || which == s->reload.trial || which == s->upgrade.trial ||
        which == s->state_file.writer)
        return;
    begun = records_begin(out, "child");
    records_add(out, "name", slice_of(child->name));
    records_add_number(out, "pid", (uint64_t)child->pid);
    records_add(out, "role",
                guests_role(is_worker  ? GUEST_WORKER
                            : is_admin ? GUEST_ADMIN
                                       : GUEST_MONITOR));
    records_add_number(out, "worker", is_worker);
    records_add_number(out, "slot", slot);
    if (is_worker)
        records_add_number(out, "moves", tls_move_format());
    if (!is_admin)
        records_add_number(out, "pulse", segment_offset_of_pulse(s->segment, slot));
    records_add_number(out, "fd", (uint64_t)(is_worker ? s->channels[which] : -1));
    records_end(out, begun);
}

static void add_backends(const struct supervisor *s, struct buffer *out)
{
    const struct slots *slots = &s->reload.slots;

    for (unsigned i = 0; i < SEGMENT_BACKENDS_MAX; i++) {
        size_t begun;

        if (slots->identity[i] == 0)
            continue;
        begun = records_begin(out, "backend");
        records_add_number(out, "identity", slots->identity[i]);
        records_add_number(out, "slot", i);
        records_end(out, begun);
    }
}

static void upgrade_write(const struct supervisor *s, struct buffer *out)
{
    const struct sockets *sockets = &s->sockets;

    add_about(s, out);
    add_fd(out, "segment", s->segment_fd);
    for (unsigned i = 0; i < s->segment->wakes; i++)
        add_fd(out, "wake", s->segment->wake_fds[i]);
    add_fd(out, "wake", s->segment->look_fd);
    for (unsigned i = 0; i < sockets->slots * sockets->addresses; i++)
        add_fd(out, "socket", sockets->fds[i]);
    for (unsigned i = 0; i < s->takeover.first; i++)
        add_child(s, i, out);
    takeover_add_guests(s, out);
    admin_sockets_write(&s->admin.sockets, out);
    add_backends(s, out);
    for (unsigned i = 0; i < 2 && s->admin.asks[i] >= 0; i++)
        add_fd(out, "asks", s->admin.asks[i]);
    if (s->upgrade.asker >= 0)
        add_fd(out, "asker", s->upgrade.asker);
}

/* --- tried --- */

static const char *explain_guests(const struct supervisor *s, struct buffer *words)
{
    uint64_t now_ms = clock_steady_ms(), ends_ms = s->takeover.ends_ms;

    buffer_append_text(words, "workers of the last upgrade still end, ");
    if (ends_ms > now_ms && ends_ms != UINT64_MAX)
        buffer_printf(words, "within %s s at the latest, ", LOG_SECONDS(ends_ms - now_ms));
    guests_name(s, words);
    buffer_append_text(words, ": ask again when they have");
    return buffer_text(words);
}

/* Why it cannot even begin; NULL: it can. */
static const char *objection(const struct supervisor *s, struct buffer *words)
{
    if (s->options->command != OPTIONS_RUN)
        return "a demo stays as it is";
    if (s->state_ends_ms != UINT64_MAX)
        return "lb drains";
    if (program_path() == NULL)
        return "the system does not say which file this program came from";
    if (s->segment_fd < 0)
        return "no memory outlives the program: memfd_create failed, or ulimit -f is too low";
    if (2 * s->config->workers > SEGMENT_WORKERS_MAX)
        return "there are more than 128 workers: restart lb";
    if (s->takeover.state == TAKEOVER_DONE || !takeover_has_slots(s))
        return explain_guests(s, words);
    return NULL;
}

static void upgrade_try(struct supervisor *s)
{
    struct buffer text = {0}, words = {0};
    const char *why = objection(s, &words);

    s->upgrade.is_wanted = false;
    if (why == NULL) {
        add_about(s, &text);
        s->upgrade.text = handover_file(buffer_slice(&text));
        s->upgrade.answer = memfd_create("lb answer", MFD_CLOEXEC);
        buffer_dispose(&text);
        if (s->upgrade.text < 0 || s->upgrade.answer < 0)
            why = "the system has no memory or descriptor to try it with";
    }
    if (why != NULL)
        upgrade_refuse(s, why);
    buffer_dispose(&words);
    if (why != NULL)
        return;
    s->upgrade.ends_ms = clock_steady_ms() + TRY_MAX_MS;
    children_start(&s->children, s->upgrade.trial);
    if (s->children.list[s->upgrade.trial].pid == 0) {
        s->children.list[s->upgrade.trial].start_at_ms = UINT64_MAX;
        upgrade_refuse(s, "the system has no process to try it in");
    }
}

_Noreturn void upgrade_run_trial(struct supervisor *s)
{
    int error;

    program_keep(s->upgrade.text, true);
    handover_name(s->upgrade.text, true);
    if (dup2(s->upgrade.answer, STDOUT_FILENO) < 0 || dup2(s->upgrade.answer, STDERR_FILENO) < 0)
        _exit(1);
    signals_deliver();
    error = program_run();
    dprintf(STDERR_FILENO, "lb: %s cannot be run: %s", program_path(), strerror(-error));
    _exit(1);
}

void upgrade_end_trial(struct supervisor *s)
{
    pid_t pid = s->children.list[s->upgrade.trial].pid;

    if (pid != 0)
        kill(pid, SIGKILL);
    if (s->state_ends_ms != UINT64_MAX)
        asker_refuse(s, 409, "lb drains: it takes no other program");
}

/* What it said, on one line. */
static void read_answer(int fd, struct buffer *out)
{
    char *room = buffer_reserve(out, ANSWER_MOST);
    ssize_t length = pread(fd, room, ANSWER_MOST, 0);

    if (length > 0)
        buffer_grow(out, (size_t)length);
    while (buffer_length(out) > 0 && out->bytes[out->end - 1] == '\n')
        out->end--;
}

static bool is_good(struct slice answer, int status)
{
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
           slice_begins(answer, SLICE(HANDOVER_ANSWER));
}

static bool has_our_layout(struct slice answer)
{
    char ours[64];

    snprintf(ours, sizeof ours, HANDOVER_ANSWER "%016" PRIx64, segment_layout());
    return slice_is(answer, slice_of(ours));
}

static void upgrade_refuse_answer(struct supervisor *s, struct slice answer, int status)
{
    struct buffer why = {0};

    if (s->state_ends_ms != UINT64_MAX)
        buffer_append_text(&why, "lb drains");
    else if (WIFSIGNALED(status) && clock_steady_ms() >= s->upgrade.ends_ms)
        buffer_printf(&why, "it was not ready within %d s", TRY_MAX_MS / 1000);
    else if (WIFSIGNALED(status))
        buffer_printf(&why, "it crashed when it was tried (signal %d: %s)", WTERMSIG(status),
                      strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == 0)
        buffer_printf(&why, "%s is no lb that can take over", program_path());
    else if (answer.length == 0)
        buffer_printf(&why, "it ended with status %d and said nothing", WEXITSTATUS(status));
    else
        log_append_escaped(&why, answer, WORDS_MOST, LOG_TEXT);
    upgrade_refuse(s, buffer_text(&why));
    buffer_dispose(&why);
}

/* --- gone to --- */

/* For a program whose segment has another layout: what has a name, and a process that says what
 * becomes of it. Gives the channel to that process; -1: there is none, and what our workers count
 * from now on is lost. */
static int carry(struct supervisor *s, struct buffer *out)
{
    size_t from = buffer_length(out);
    struct scribe scribe;

    carried_write(s->segment, &s->reload.slots, out);
    if (scribe_start(&scribe, s->segment, &s->reload.slots, slice_from(buffer_slice(out), from)) !=
        0)
        return -1;
    scribe_write(&scribe, scribe_memory(s->segment_fd), out);
    return scribe.channel;
}

/* Only returns if the system refuses. */
static int run_next(struct supervisor *s, struct slice text)
{
    int fd = handover_file(text), error;

    if (fd < 0)
        return -ENOMEM;
    handover_keep(text, true);
    program_keep(fd, true);
    handover_name(fd, false);
    state_file_end_writer(&s->state_file);
    log_close(); /* it waits for who reads the last lines */
    error = program_run();
    log_open(s->options->event_format, s->options->line_format, s->options->log_level,
             "supervisor");
    handover_name(-1, false);
    handover_keep(text, false);
    close(fd);
    return error;
}

/* Only returns if the system refuses: then all is as it was. */
static void upgrade_go(struct supervisor *s, bool carries)
{
    struct buffer text = {0};
    char why[256];
    int scribe, program, error;

    upgrade_forget(&s->upgrade);
    upgrade_write(s, &text);
    scribe = carries ? carry(s, &text) : -1;
    program = program_open();
    if (program >= 0)
        add_fd(&text, "program", program);
    error = run_next(s, buffer_slice(&text));
    if (scribe >= 0)
        close(scribe); /* it ends */
    if (program >= 0)
        close(program);
    buffer_dispose(&text);
    snprintf(why, sizeof why, "%.150s cannot be run: %s", program_path(), strerror(-error));
    upgrade_refuse(s, why);
}

void upgrade_on_tried(struct supervisor *s, int status)
{
    struct buffer answer = {0};

    if (!upgrade_is_tried(s))
        return;
    read_answer(s->upgrade.answer, &answer);
    if (is_good(buffer_slice(&answer), status))
        upgrade_go(s, !has_our_layout(buffer_slice(&answer)));
    else
        upgrade_refuse_answer(s, buffer_slice(&answer), status);
    buffer_dispose(&answer);
}

/* --- time --- */

/* Whoever is left of the last upgrade, and no worker, ends in a moment. */
static bool may_begin(const struct supervisor *s)
{
    return s->upgrade.is_wanted && !upgrade_is_tried(s) && s->reload.state == RELOAD_IDLE &&
           (s->takeover.state != TAKEOVER_DONE || guests_have_workers(s));
}

void upgrade_step(struct supervisor *s)
{
    if (upgrade_is_tried(s) && clock_steady_ms() >= s->upgrade.ends_ms)
        upgrade_end_trial(s);
    else if (may_begin(s))
        upgrade_try(s);
}

uint64_t upgrade_next_ms(const struct supervisor *s)
{
    return may_begin(s) ? 0 : s->upgrade.ends_ms;
}
