/*
 * vault - secret bytes, in pages that processes share, that are locked, and that no core dump has.
 *
 * A vault takes address space for its whole room, and memory only for the bytes in it. The pages
 * are locked as far as the system allows it (RLIMIT_MEMLOCK). A forked process shares the bytes.
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
    size_t locked; /* the bytes of the pages that are locked */
    pid_t owner;   /* the process that opened it */
};

bool vault_open(struct vault *, size_t room) MUST_USE; /* false and errno if the system refuses */
/* In any state. The owner wipes the bytes; another process only unmaps them. */
void vault_close(struct vault *);
void vault_wipe(struct vault *); /* empty again, and not sealed */
/* From now on a write by mistake ends the process that writes: this one, or one forked from it. */
void vault_seal(const struct vault *);
/* False if the bytes have no room; then nothing changes. */
bool vault_append(struct vault *, struct slice bytes) MUST_USE;
/* Appends a regular file; *mode becomes the file's mode. 0 or an errno, as of base/file.h. */
int vault_append_file(struct vault *, const char *path, unsigned *mode) MUST_USE;

/* The bytes become so many, for the caller to write: at most the room. */
char *vault_reserve(struct vault *, size_t bytes);

static inline struct slice vault_slice(const struct vault *vault)
{
    return (struct slice){vault->bytes != NULL ? vault->bytes : "", vault->length};
}

#endif
