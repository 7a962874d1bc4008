#include "base/vault.h"

#include "base/file.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

bool vault_open(struct vault *vault, size_t room)
{
    void *bytes =
        mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    *vault = (struct vault){0};
    if (bytes == MAP_FAILED)
        return false;
    (void)madvise(bytes, room, MADV_DONTDUMP);
    *vault = (struct vault){.bytes = bytes, .room = room, .owner = getpid()};
    return true;
}

void vault_wipe(struct vault *vault)
{
    if (vault->bytes == NULL || vault->length == 0)
        return;
    CHECK(mprotect(vault->bytes, vault->room, PROT_READ | PROT_WRITE) == 0);
    explicit_bzero(vault->bytes, vault->length);
    (void)munlock(vault->bytes, vault->length);
    (void)madvise(vault->bytes, vault->room, MADV_REMOVE);
    vault->length = vault->locked = 0;
}

void vault_close(struct vault *vault)
{
    if (vault->bytes == NULL)
        return;
    if (vault->owner == getpid())
        vault_wipe(vault);
    munmap(vault->bytes, vault->room);
    *vault = (struct vault){0};
}

void vault_seal(const struct vault *vault)
{
    if (vault->bytes != NULL)
        CHECK(mprotect(vault->bytes, vault->room, PROT_READ) == 0);
}

/* Up to the end of the last byte's page. */
static void lock(struct vault *vault, size_t from, size_t to)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (to <= vault->locked)
        return;
    (void)mlock(vault->bytes + from, to - from);
    vault->locked = (to + page - 1) / page * page;
}

bool vault_append(struct vault *vault, struct slice bytes)
{
    if (bytes.length > vault->room - vault->length)
        return false;
    lock(vault, vault->length, vault->length + bytes.length); /* before they are there */
    slice_put(vault->bytes + vault->length, bytes);
    vault->length += bytes.length;
    return true;
}

char *vault_reserve(struct vault *vault, size_t bytes)
{
    CHECK(bytes <= vault->room);
    lock(vault, 0, bytes);
    vault->length = bytes;
    return vault->bytes;
}

static int append_all(struct vault *vault, int file)
{
    size_t before = vault->length, left;
    ssize_t got;

    do {
        left = vault->room - vault->length;
        got = read(file, vault->bytes + vault->length, left);
        if (got > 0)
            vault->length += (size_t)got;
    } while ((got > 0 && (size_t)got < left) || (got < 0 && errno == EINTR));
    if (got == 0 && left > 0) {
        lock(vault, before, vault->length);
        return 0;
    }
    vault->length = before;
    return got < 0 ? errno : EFBIG;
}

int vault_append_file(struct vault *vault, const char *path, unsigned *mode)
{
    int file, error;

    error = file_open(path, &file, mode);
    if (error != 0)
        return error;
    error = append_all(vault, file);
    close(file);
    return error;
}
