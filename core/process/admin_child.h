/*
 * admin_child - what the supervisor does for the admin process: its sockets, its start, and what a
 * reload makes of it.
 */
#ifndef PROCESS_ADMIN_CHILD_H
#define PROCESS_ADMIN_CHILD_H

#include "os/children.h"
#include "process/admin_sockets.h"
#include "reload/reload.h"

struct admin_child { /* embedded in the supervisor */
    const struct config *first;
    struct segment *segment;
    struct children *children;
    struct reload *reload;
    unsigned which;             /* of the children */
    struct config_admin config; /* that it goes by, */
    struct config_tracing tracing;
    struct admin_sockets sockets;
    int asks[2];     /* over which connections of who asks for an upgrade come: our end, its; -1 */
    bool is_renewed; /* it was asked to end, as another one shall come, or none */
};

/* Opens the sockets, if there is to be an admin process. beside: another lb that this one replaces;
 * 0: none. 0, or -1 and why not. */
int admin_child_open(struct admin_child *, pid_t beside, struct buffer *error) MUST_USE;
/* Starts it, if there is to be one. before: what the program before has written, or NULL; then the
 * sockets are those of that program or opened here, and lb serves without them if that fails. */
void admin_child_begin(struct admin_child *, const struct slice *before);
void admin_child_open_asks(struct admin_child *); /* before it is started */
/* Those of the program before, whose admin process may still be asked. */
void admin_child_take_asks(struct admin_child *, int ours, int its);
void admin_child_leave(struct admin_child *); /* in other children: closes all */
_Noreturn void admin_child_run(struct admin_child *);
/* It has ended. True: it should; if another one shall come, that is due. */
bool admin_child_on_ended(struct admin_child *);
void admin_child_step(struct admin_child *); /* each turn of the supervisor, while lb runs */
bool admin_child_is_wanted(const struct admin_child *);
bool admin_child_is_running(const struct admin_child *);
void admin_child_end(struct admin_child *);   /* everything else has ended */
void admin_child_close(struct admin_child *); /* the sockets, and their files */

#endif
