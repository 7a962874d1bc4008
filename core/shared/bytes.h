/*
 * bytes - in shared memory, where one process writes them while others read: a word at a time.
 *
 * What is read may be half old and half new. A version or a claim next to the words says so, which
 * the reader looks at before and after.
 */
#ifndef SHARED_BYTES_H
#define SHARED_BYTES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The next up to eight bytes, with zeros behind them. */
static inline uint64_t word_of(const void *bytes, size_t at, size_t length)
{
    uint64_t word = 0;

    memcpy(&word, (const char *)bytes + at, length - at < sizeof word ? length - at : sizeof word);
    return word;
}

static inline void bytes_write(_Atomic uint64_t *words, const void *bytes, size_t length)
{
    for (size_t at = 0; at < length; at += sizeof *words)
        atomic_store_explicit(&words[at / sizeof *words], word_of(bytes, at, length),
                              memory_order_relaxed);
}

static inline void bytes_read(const _Atomic uint64_t *words, void *out, size_t length)
{
    for (size_t at = 0; at < length; at += sizeof *words) {
        uint64_t word = atomic_load_explicit(&words[at / sizeof *words], memory_order_relaxed);

        memcpy((char *)out + at, &word, length - at < sizeof word ? length - at : sizeof word);
    }
}

static inline bool bytes_are(const _Atomic uint64_t *words, const void *bytes, size_t length)
{
    for (size_t at = 0; at < length; at += sizeof *words)
        if (atomic_load_explicit(&words[at / sizeof *words], memory_order_relaxed) !=
            word_of(bytes, at, length))
            return false;
    return true;
}

#endif
