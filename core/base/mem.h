/*
 * mem - memory that is always there, and the account of it.
 *
 * None of these but mem_try returns NULL. A process that has marks (a worker) keeps a reserve: when
 * the system gives no more, the reserve goes, the account is full, and its owner gives something up
 * before anything more is read. Any other process that cannot have memory says so and exits, and
 * the supervisor starts another. Free with mem_free.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

void *mem_alloc(size_t bytes);                     /* contents undefined */
void *mem_zalloc(size_t bytes);                    /* all zero */
void *mem_zalloc_array(size_t count, size_t each); /* the same, of elements */
void *mem_realloc(void *old, size_t bytes);        /* takes old, which may be NULL */
/* The same, but NULL if the system gives no memory; then old is as it was. Only this function gives
 * NULL: it is for a library that can do without. */
void *mem_try(void *old, size_t bytes);
char *mem_copy_text(const char *text);            /* borrows text, gives a copy */
char *mem_copy(const void *bytes, size_t length); /* gives a copy, with a NUL behind it */
void mem_free(void *block);                       /* takes block, which may be NULL */
size_t mem_size(const void *block);               /* its part of the account; NULL is 0 */
void mem_give_back(void); /* to the system, what is free: after a burst, or before a fork */

/* What the blocks of this process take, as the allocator counts them. Lua's are not among them:
 * each VM has a cap of its own. */
struct mem_account {
    _Atomic size_t held; /* libuv's threads may allocate, too */
    size_t tight_at, full_at;
};

extern struct mem_account mem_account;

static inline size_t mem_held(void)
{
    return atomic_load_explicit(&mem_account.held, memory_order_relaxed);
}

/* Above the first mark nobody keeps what can be done without; full is tight, too. */
static inline bool mem_is_tight(void)
{
    return mem_held() >= mem_account.tight_at;
}

/* Above the second one nothing is read before something was given up. */
static inline bool mem_is_full(void)
{
    return mem_held() >= mem_account.full_at;
}

/* Would so many bytes more make it full? */
static inline bool mem_lacks(size_t bytes)
{
    return mem_held() + bytes >= mem_account.full_at;
}

void mem_set_marks(size_t tight_at, size_t full_at); /* the first is not above the second */
/* From now on this process has a reserve. False if there is none to be had. When it is spent both
 * marks are 0. */
bool mem_keep_reserve(void);

#endif
