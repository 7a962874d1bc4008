#include "base/mem.h"

#include "base/check.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* More than one event takes: what was read is 64 KiB at most. */
enum { RESERVE_BYTES = 1 << 20 };

struct mem_account mem_account = {.tight_at = SIZE_MAX, .full_at = SIZE_MAX};

static void *reserve;

static void mem_count(size_t more, size_t less)
{
    atomic_fetch_add_explicit(&mem_account.held, more - less, memory_order_relaxed);
}

/* False if there is none. From now on memory is full, until there are marks again. */
static bool mem_spend_reserve(void)
{
    if (reserve == NULL)
        return false;
    free(reserve);
    reserve = NULL;
    mem_account.tight_at = mem_account.full_at = 0;
    return true;
}

static void *get_block(void *old, size_t bytes, bool is_zero)
{
    if (bytes == 0)
        bytes = 1;
    if (old != NULL)
        return realloc(old, bytes);
    return is_zero ? calloc(1, bytes) : malloc(bytes);
}

/* NULL: there is none, and old is as it was. */
static void *mem_ask(void *old, size_t bytes, bool is_zero)
{
    size_t before = mem_size(old);
    void *block = get_block(old, bytes, is_zero);

    if (block == NULL && mem_spend_reserve())
        block = get_block(old, bytes, is_zero);
    if (block != NULL)
        mem_count(mem_size(block), before);
    return block;
}

static void *mem_take(void *old, size_t bytes, bool is_zero)
{
    void *block = mem_ask(old, bytes, is_zero);

    if (block == NULL) {
        check_last_words("out_of_memory", "lb: out of memory (%zu bytes asked for)", bytes);
        _Exit(1);
    }
    return block;
}

void *mem_alloc(size_t bytes)
{
    return mem_take(NULL, bytes, false);
}

void *mem_zalloc(size_t bytes)
{
    return mem_take(NULL, bytes, true);
}

void *mem_zalloc_array(size_t count, size_t each)
{
    CHECK(each == 0 || count <= SIZE_MAX / each);
    return mem_take(NULL, count * each, true);
}

void *mem_realloc(void *old, size_t bytes)
{
    return mem_take(old, bytes, false);
}

void *mem_try(void *old, size_t bytes)
{
    return mem_ask(old, bytes, false);
}

char *mem_copy(const void *bytes, size_t length)
{
    char *copy = mem_alloc(length + 1);

    if (length > 0)
        memcpy(copy, bytes, length);
    copy[length] = '\0';
    return copy;
}

char *mem_copy_text(const char *text)
{
    return mem_copy(text, strlen(text));
}

void mem_free(void *block)
{
    if (block == NULL)
        return;
    mem_count(0, mem_size(block));
    free(block);
}

size_t mem_size(const void *block)
{
    return malloc_usable_size((void *)block);
}

void mem_give_back(void)
{
    malloc_trim(0);
}

void mem_set_marks(size_t tight_at, size_t full_at)
{
    mem_account.tight_at = tight_at;
    mem_account.full_at = full_at;
}

bool mem_keep_reserve(void)
{
    if (reserve == NULL)
        reserve = malloc(RESERVE_BYTES);
    return reserve != NULL;
}
