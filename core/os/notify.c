#include "os/notify.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { AGAIN_MS = 100, MESSAGE_BYTES = 512 };

/* WATCHDOG_PID says whose matter it is: the variables may come from a process further up. */
static uint64_t watchdog_from_environment(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

    if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid()))
        return 0;
    return strtoull(usec, NULL, 10) / 1000 / 3;
}

void notify_open(struct notify *n)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t length = path != NULL ? strlen(path) : 0;

    *n = (struct notify){.fd = -1, .to.sun_family = AF_UNIX};
    if (length < 2 || length >= sizeof n->to.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(n->to.sun_path, path, length);
    if (path[0] == '@') /* a name that is in no folder */
        n->to.sun_path[0] = '\0';
    n->to_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    n->watchdog_ms = watchdog_from_environment();
    n->fed_ms = clock_steady_ms();
}

void notify_close(struct notify *n)
{
    if (n->fd >= 0)
        close(n->fd);
    n->fd = -1;
    unsetenv("NOTIFY_SOCKET");
}

/* False: it has to be sent again. Who is not there any more needs to be told nothing. */
static bool send_text(struct notify *n, const char *text)
{
    ssize_t sent =
        sendto(n->fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&n->to, n->to_length);

    return sent >= 0 || (errno != EAGAIN && errno != EINTR && errno != ENOBUFS);
}

static bool tell(struct notify *n, enum notify_phase phase, const char *status)
{
    static const char *const lines[] = {[NOTIFY_STARTING] = "",
                                        [NOTIFY_SERVING] = "READY=1\n",
                                        [NOTIFY_RELOADING] = "RELOADING=1\n",
                                        [NOTIFY_STOPPING] = "STOPPING=1\n"};
    char text[MESSAGE_BYTES], time[48] = "";

    if (phase == NOTIFY_RELOADING) /* systemd 253 and later wants to know which reload that is */
        snprintf(time, sizeof time, "MONOTONIC_USEC=%" PRIu64 "\n", clock_steady_us());
    snprintf(text, sizeof text, "%s%sSTATUS=%s\n", lines[phase], time, status);
    return send_text(n, text);
}

void notify_follow(struct notify *n, enum notify_phase now, const char *status, bool is_well)
{
    uint64_t now_ms = clock_steady_ms();

    if (n->fd < 0)
        return;
    n->is_late = false;
    if (now != n->told) {
        n->is_late = !tell(n, now, status);
        if (!n->is_late)
            n->told = now;
    }
    if (n->watchdog_ms > 0 && is_well && now_ms - n->fed_ms >= n->watchdog_ms) {
        n->fed_ms = now_ms;
        (void)send_text(n, "WATCHDOG=1\n");
    }
}

uint64_t notify_next_ms(const struct notify *n)
{
    uint64_t now_ms = n->fd >= 0 ? clock_steady_ms() : 0;
    uint64_t next_ms = n->fd >= 0 && n->watchdog_ms > 0 ? n->fed_ms + n->watchdog_ms : UINT64_MAX;

    if (next_ms < now_ms) /* all is not well: the caller looks again soon */
        next_ms = now_ms + AGAIN_MS;
    return n->fd >= 0 && n->is_late && now_ms + AGAIN_MS < next_ms ? now_ms + AGAIN_MS : next_ms;
}
