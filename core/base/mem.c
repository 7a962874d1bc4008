#include "base/mem.h"

#include "base/check.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static void *mem_or_exit(void *block, size_t bytes)
{
    if (block == NULL) {
        check_last_words("out_of_memory", "lb: out of memory (%zu bytes asked for)", bytes);
        _Exit(1);
    }
    return block;
}

void *mem_alloc(size_t bytes)
{
    return mem_or_exit(malloc(bytes ? bytes : 1), bytes);
}

void *mem_zalloc(size_t bytes)
{
    return mem_or_exit(calloc(1, bytes ? bytes : 1), bytes);
}

void *mem_realloc(void *old, size_t bytes)
{
    return mem_or_exit(realloc(old, bytes ? bytes : 1), bytes);
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
    free(block);
}

void mem_give_back(void)
{
    malloc_trim(0);
}
