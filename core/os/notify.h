/*
 * notify - messages to systemd, or to what else gave the socket of NOTIFY_SOCKET (sd_notify(3)).
 *
 * READY=1 when lb serves; RELOADING=1, and READY=1 when that is over; STOPPING=1. WATCHDOG=1 comes
 * at a third of the time that WATCHDOG_USEC gives, as long as the caller says that all is well. A
 * reader that is slow gets its messages later, and nobody waits for it.
 */
#ifndef OS_NOTIFY_H
#define OS_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

enum notify_phase { NOTIFY_STARTING, NOTIFY_SERVING, NOTIFY_RELOADING, NOTIFY_STOPPING };

struct notify {
    int fd; /* -1: nobody wants to know */
    struct sockaddr_un to;
    socklen_t to_length;
    enum notify_phase told;
    uint64_t watchdog_ms; /* between two WATCHDOG=1; 0: none is wanted */
    uint64_t fed_ms;
    bool is_late; /* something could not be sent */
};

void notify_open(struct notify *);  /* reads the environment */
void notify_close(struct notify *); /* in a child, too, which has nothing to tell */
/* To be called at each turn. The status is one line for people, sent with a new phase. */
void notify_follow(struct notify *, enum notify_phase now, const char *status, bool is_well);
uint64_t notify_next_ms(const struct notify *); /* the latest moment for the next call, steady */

#endif
