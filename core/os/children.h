/*
 * children - processes that one process starts, replaces and ends.
 *
 * A child ends when its parent does, in whatever way. A child that dies is due again at once if it
 * lived long or dies for the first time; else after a pause that doubles. The parent must have no
 * other thread. In a new process the signals of signals_open are blocked: they wait until it has
 * handlers for them.
 */
#ifndef OS_CHILDREN_H
#define OS_CHILDREN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum child_end { CHILD_DIED, CHILD_HUNG, CHILD_SLOW }; /* whose idea it was; the last two: ours */

struct child {
    char name[16]; /* "worker 1": in the log and, behind "lb ", the process's title */
    pid_t pid;     /* 0: it does not run */
    uint64_t started_ms;
    uint64_t start_at_ms;   /* while it does not run; UINT64_MAX: it is not due */
    uint64_t back_off_ms;   /* the pause before the next start if it dies now */
    enum child_end ends_as; /* set before it is killed; its successor begins with CHILD_DIED */
};

struct children {
    struct child *list;
    unsigned count;
    pid_t parent;
    void *owner;
    void (*run)(void *owner, unsigned which); /* in the new process; must not return */
    void (*on_died)(void *owner, unsigned which, int status); /* waitpid's */
};

void children_init(struct children *, unsigned count, void *owner); /* none runs */
void children_dispose(struct children *);
/* With a number behind the name; 0: without. */
void children_name(struct children *, unsigned which, const char *name, unsigned number);

/* Flushes the log and forks. A child that the system refuses is logged and due later. */
void children_start(struct children *, unsigned which);
void children_start_later(struct children *, unsigned which);
uint64_t children_next_start_ms(const struct children *); /* UINT64_MAX: none is due */

void children_signal(struct children *, int number);
void children_end(struct children *, int number); /* the same, and none is due any more */
void children_reap(struct children *);            /* on_died for each that has ended */
unsigned children_running(const struct children *);
void children_log_death(const struct children *, unsigned which, int status, const char *event);

/* Until signals_open, SIGTERM, SIGINT and SIGQUIT end the program at once, with status 0. Without
 * this the kernel would not deliver them to process 1. SIGUSR2 is ignored until then. */
void signals_expect(void);
/* From now on signals are not delivered but read. Gives a descriptor for the functions below. Each
 * process reads its own signals from it: a child may use it, too. -1 and errno if the system
 * refuses. */
int signals_open(void);
void signals_deliver(void); /* from now on they are delivered to the handlers of this process */
/* And from now on these are not: without a handler they would end the process. */
void signals_ignore(int first, int second);
/* A number; 0: none waits. The SIGHUP of a terminal that is gone comes as SIGTERM. */
int signals_next(int fd);
void signals_wait(int fd, uint64_t until_ms);               /* steady clock; UINT64_MAX: for ever */
void signals_wait_or(int fd, int other, uint64_t until_ms); /* the same, or until it is readable */

#endif
