/*
 * hooks - the hooks of a script, and how a call of one can go wrong, by number and by name.
 *
 * The segment counts by these numbers; the log and lb.metric say these names.
 */
#ifndef SHARED_HOOKS_H
#define SHARED_HOOKS_H

enum hook {
    HOOK_CHOOSE,
    HOOK_ON_FAILURE,
    HOOK_ON_RESPONSE,
    HOOK_ON_DONE,
    HOOK_INIT,
    HOOK_TIMER,
    HOOK_HEALTH,
    HOOK_ON_HEALTH,
    HOOK_FINALLY, /* a function that ctx:finally was given */
    HOOKS
};

enum breach {
    BREACH_NONE,
    BREACH_RAISED,    /* an error */
    BREACH_TIMED_OUT, /* its time was over */
    BREACH_NO_MEMORY, /* it wanted more than script.memory */
    BREACH_YIELDED,   /* it yielded by itself, and nobody will resume it */
    BREACH_WRONG,     /* it returned a wrong value, as the reader of the answer reports */
    BREACHES,
    BREACH_PENDING = BREACHES, /* none so far: the call awaits */
};

const char *hook_name(enum hook);     /* "choose" */
const char *breach_name(enum breach); /* "error"; not of BREACH_PENDING */

#endif
