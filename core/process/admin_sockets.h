/*
 * admin_sockets - the sockets of the admin listener, which the supervisor keeps: while the admin
 * process is replaced, connections wait and none is refused.
 *
 * The socket of a path has mode 0660. A file that a killed lb has left there is replaced; a socket
 * on which somebody listens is not, unless that is the lb that this one replaces.
 */
#ifndef PROCESS_ADMIN_SOCKETS_H
#define PROCESS_ADMIN_SOCKETS_H

#include "base/records.h"
#include "config/config.h"

struct admin_socket {
    struct address address; /* as the setting has it */
    int fd;
    uint64_t device, inode; /* of the file */
};

struct admin_sockets { /* all zero: none */
    struct admin_socket list[2 * CONFIG_ADMIN_LISTEN_MAX];
    unsigned count;
    pid_t beside; /* another lb, whose paths this one takes over; 0: none */
};

/* Opens those of the setting that are not open yet. 0, or -1 and words such as "cannot listen on
 * unix:/run/lb/admin.sock: ..."; then all is as it was. */
int admin_sockets_open(struct admin_sockets *, const struct config_admin *,
                       struct buffer *error) MUST_USE;
/* For the next program in this process, and there: those that the setting has are kept, so that who
 * connects waits. */
void admin_sockets_write(const struct admin_sockets *, struct buffer *out);
void admin_sockets_take(struct admin_sockets *, const struct config_admin *, struct slice text);
/* Closes those that the setting does not have, and removes their files. */
void admin_sockets_keep(struct admin_sockets *, const struct config_admin *);
/* Opens those anew whose file is gone, as another lb had taken over the path and has ended. Were
 * there any? */
bool admin_sockets_restore(struct admin_sockets *);
/* Which descriptors are those of the setting's addresses, in their order. */
void admin_sockets_find(const struct admin_sockets *, const struct config_admin *,
                        int out[CONFIG_ADMIN_LISTEN_MAX]);
void admin_sockets_close(struct admin_sockets *); /* in another process: the files stay */
void admin_sockets_announce(const struct admin_sockets *);

#endif
