/*
 * mem - memory that is always there.
 *
 * None of these returns NULL: a process that cannot have memory says so and
 * exits, and the supervisor starts another. Free with mem_free.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t bytes);                    /* contents undefined */
void *mem_zalloc(size_t bytes);                   /* all zero */
void *mem_realloc(void *old, size_t bytes);       /* takes old, which may be NULL */
char *mem_copy_text(const char *text);            /* borrows text, gives a copy */
char *mem_copy(const void *bytes, size_t length); /* gives a copy, with a NUL behind it */
void mem_free(void *block);                       /* takes block, which may be NULL */
void mem_give_back(void); /* to the system, what is free: after a burst, or before a fork */

#endif
