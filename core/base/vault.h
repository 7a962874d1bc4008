/*
 * vault - bytes that are secret: in pages that processes share, locked and in no core dump.
 *
 * Address space is taken for all that it may hold, memory only for what it does hold. The pages are
 * locked as far as the system allows it (RLIMIT_MEMLOCK). A process that is forked has the same
 * bytes.
 */
#ifndef BASE_VAULT_H
#define BASE_VAULT_H

#include "base/check.h"
#include "base/slice.h"

#include <stdbool.h>
#include <sys/types.h>

struct vault { /* all zero: closed */
    char *bytes;
    size_t length, room;
    pid_t owner; /* the process that opened it */
};

bool vault_open(struct vault *, size_t room) MUST_USE; /* false and errno if the system refuses */
/* In any state. Its owner wipes it; for the others it is there. */
void vault_close(struct vault *);
void vault_wipe(struct vault *); /* empty again, and not sealed */
/* In this process, and those that it forks: a write, by whatever mistake, ends the process. */
void vault_seal(const struct vault *);
/* False if there is no room for all of it; then nothing changes. */
bool vault_append(struct vault *, struct slice bytes) MUST_USE;
/* The same of a regular file, whose mode *mode becomes. 0 or an errno, as of base/file.h. */
int vault_append_file(struct vault *, const char *path, unsigned *mode) MUST_USE;

static inline struct slice vault_slice(const struct vault *vault)
{
    return (struct slice){vault->bytes != NULL ? vault->bytes : "", vault->length};
}

#endif
