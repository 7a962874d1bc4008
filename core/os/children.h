/*
 * children - processes that one process starts, replaces and ends.
 *
 * A child ends when its parent does, however that ends. One that dies is due
 * again at once if it lived long or is the first to die; else after a pause that
 * doubles. The parent must have no other thread. A new process begins with the
 * signals blocked that signals_open has blocked in its parent: one that comes
 * before it has its handlers waits for them.
 */
#ifndef OS_CHILDREN_H
#define OS_CHILDREN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct child {
    char name[16]; /* "worker 1": in the log and, behind "lb ", the process's title */
    pid_t pid;     /* 0: it does not run */
    uint64_t started_ms;
    uint64_t start_at_ms; /* while it does not run; UINT64_MAX: not until it is asked for */
    uint64_t back_off_ms; /* the pause before the next start, should it die now */
};

struct children {
    struct child *list;
    unsigned count;
    pid_t parent;
    void *owner;
    void (*run)(void *owner, unsigned which); /* in the new process; must not return */
    void (*on_died)(void *owner, unsigned which, int status); /* as waitpid tells it */
};

void children_init(struct children *, unsigned count, void *owner); /* none runs */
void children_dispose(struct children *);
void children_name(struct children *, unsigned which, const char *name,
                   unsigned number); /* 0: none */

/* Flushes the log and forks. A child that the system refuses is logged and due later. */
void children_start(struct children *, unsigned which);
void children_start_later(struct children *, unsigned which);
uint64_t children_next_start_ms(const struct children *); /* UINT64_MAX: none is due */

void children_signal(struct children *, int number); /* and none is due any more */
void children_tell(struct children *, int number);   /* the same, but those that are due stay so */
/* on_died for each that has ended; of strangers, too, in silence. */
void children_reap(struct children *);
unsigned children_running(const struct children *);
void children_log_death(const struct children *, unsigned which, int status, const char *event);

/* Until signals_open, SIGTERM, SIGINT and SIGQUIT end the program at once, with
 * status 0: it was told to stop. Without it, process 1 would not hear them. */
void signals_expect(void);
/* Signals are not delivered but read: blocks them, and gives a descriptor for the
 * next two; of the process that reads, so a child may go on with it. -1 and errno
 * if the system refuses. */
int signals_open(void);
void signals_deliver(void); /* from now on they are, to whatever handles them here */
/* A number; 0: none waits. The SIGHUP of a terminal that is gone comes as SIGTERM. */
int signals_next(int fd);
void signals_wait(int fd, uint64_t until_ms);               /* steady clock; UINT64_MAX: for ever */
void signals_wait_or(int fd, int other, uint64_t until_ms); /* the same, or until it is readable */

#endif
