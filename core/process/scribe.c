/*
 *   the next program                                        the scribe
 *       | "ask"                                                 |
 *       |------------------------------------------------------>| writes all records anew,
 *       | "changes" in a file without a name                    | and compares
 *       |<------------------------------------------------------|
 */
#include "process/scribe.h"

#include "base/log.h"
#include "os/children.h"
#include "os/passing.h"
#include "process/handover.h"
#include "shared/carried.h"
#include "shared/changed.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MESSAGE_MOST = 4096, CHANNEL = 3 };

/* --- messages --- */

static int send_record(int channel, const char *kind, int fd)
{
    struct buffer text = {0};
    size_t begun = records_begin(&text, kind);
    int status;

    records_end(&text, begun);
    status = passing_send(channel, buffer_slice(&text).start, buffer_length(&text), &fd, fd >= 0);
    buffer_dispose(&text);
    return status;
}

/* *fd: -1, or what came with it. The length, 0 at the end, or -errno. */
static ssize_t receive(int channel, char room[MESSAGE_MOST], struct record *r, int *fd)
{
    int fds[PASSING_MOST];
    unsigned count;
    ssize_t length = passing_receive(channel, room, MESSAGE_MOST, fds, &count);
    struct slice text = {room, length > 0 ? (size_t)length : 0};

    for (unsigned i = 1; i < count; i++)
        close(fds[i]);
    *fd = count > 0 ? fds[0] : -1;
    if (!records_next(&text, r))
        *r = (struct record){SLICE(""), SLICE("")};
    return length;
}

/* --- inside the scribe --- */

struct writing {
    struct segment *segment;
    const struct slots *slots;
    struct buffer known; /* what the next program knows */
};

static void answer(struct writing *w, int channel)
{
    struct buffer now = {0}, changes = {0};
    int fd;

    carried_write(w->segment, w->slots, &now);
    changed_write(buffer_slice(&w->known), buffer_slice(&now), &changes);
    buffer_dispose(&w->known);
    w->known = now;
    fd = handover_file(buffer_slice(&changes));
    buffer_dispose(&changes);
    if (fd < 0 || send_record(channel, "changes", fd) != 0)
        _exit(1);
    close(fd);
}

static void end_at_once(int number)
{
    (void)number;
    _exit(0);
}

/* It ends with its parent, and with SIGQUIT; what a terminal or a person sends is not for it. */
static void begin(int channel, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || dup2(channel, CHANNEL) < 0)
        _exit(1);
    (void)close_range(CHANNEL + 1, ~0u, 0);
    prctl(PR_SET_NAME, "lb scribe");
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    signal(SIGQUIT, end_at_once);
    signals_deliver();
}

static _Noreturn void run(struct writing *w)
{
    struct pollfd waiting = {.fd = CHANNEL, .events = POLLIN};
    char room[MESSAGE_MOST];
    struct record r;
    ssize_t length;
    int fd;

    for (;;) {
        (void)poll(&waiting, 1, -1);
        length = receive(CHANNEL, room, &r, &fd);
        if (fd >= 0)
            close(fd);
        if (length == 0 || (length < 0 && length != -EAGAIN))
            _exit(0); /* the supervisor wants no more of it, or is gone */
        if (record_is(&r, "ask"))
            answer(w, CHANNEL);
    }
}

/* --- in its program --- */

int scribe_start(struct scribe *scribe, struct segment *segment, const struct slots *slots,
                 struct slice carried)
{
    struct writing w = {.segment = segment, .slots = slots};
    pid_t parent = getpid();
    int ends[2];

    if (passing_pair(ends) != 0)
        return -1;
    log_flush(); /* what waits would be in both */
    *scribe = (struct scribe){.pid = fork(), .channel = ends[0]};
    if (scribe->pid == 0) {
        begin(ends[1], parent);
        buffer_append(&w.known, carried);
        run(&w);
    }
    close(ends[1]);
    if (scribe->pid < 0)
        close(ends[0]);
    return scribe->pid < 0 ? -1 : 0;
}

void scribe_write(const struct scribe *scribe, uint64_t memory, struct buffer *out)
{
    size_t begun = records_begin(out, "child");

    records_add(out, "name", SLICE("scribe"));
    records_add_number(out, "pid", (uint64_t)scribe->pid);
    records_add(out, "role", SLICE("scribe"));
    records_add_number(out, "memory", memory);
    records_add_number(out, "fd", (uint64_t)scribe->channel);
    records_end(out, begun);
}

uint64_t scribe_memory(int segment_fd)
{
    struct stat file;

    return segment_fd >= 0 && fstat(segment_fd, &file) == 0 ? (uint64_t)file.st_ino : 0;
}

/* --- in the next program --- */

int scribe_ask(int channel)
{
    return send_record(channel, "ask", -1);
}

int scribe_hear(int channel, struct buffer *changes)
{
    char room[MESSAGE_MOST];
    struct record r;
    int fd;
    ssize_t length = receive(channel, room, &r, &fd);
    bool is_whole = fd >= 0 && record_is(&r, "changes") && handover_read(fd, changes);

    if (fd >= 0)
        close(fd);
    if (length < 0)
        return (int)length;
    return is_whole ? 0 : -EPROTO;
}
