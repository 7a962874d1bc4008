#include "net/tls_fingerprint.h"

#include "base/check.h"
#include "base/sha256.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
    COUNT_MAX = 99, /* that is shown */
    HASH_DIGITS = 12,
    WORD_BYTES = 5, /* "c02b," */
    NAME = 0,       /* of the extensions server_name and ALPN, which are shown in front */
    ALPN = 16,
};

/* --- traits --- */

bool tls_traits_is_grease(unsigned value)
{
    return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff);
}

void tls_traits_add(struct tls_traits *t, uint8_t *count, unsigned value)
{
    size_t all = (size_t)t->suites + t->extensions + t->signatures;

    if (tls_traits_is_grease(value))
        return;
    if (all == TLS_TRAITS_MAX) {
        t->has_too_many = true;
        return;
    }
    t->values[all] = (uint16_t)value;
    ++*count;
}

/* What is no letter and no digit is shown by the digits of its bytes. */
void tls_traits_note_alpn(struct tls_traits *t, struct slice protocol)
{
    char first = protocol.start[0], last = protocol.start[protocol.length - 1];

    if (!ascii_is_alphanumeric(first) || !ascii_is_alphanumeric(last)) {
        first = HEX_DIGITS[(uint8_t)first >> 4];
        last = HEX_DIGITS[last & 15];
    }
    t->alpn[0] = first;
    t->alpn[1] = last;
}

struct slice tls_traits_bytes(const struct tls_traits *t)
{
    size_t count = (size_t)t->suites + t->extensions + t->signatures;

    return (struct slice){(const char *)t,
                          offsetof(struct tls_traits, values) + count * sizeof *t->values};
}

/* --- the text --- */

static int compare(const void *a, const void *b)
{
    return *(const uint16_t *)a - *(const uint16_t *)b;
}

static void sort(uint16_t *values, unsigned count)
{
    qsort(values, count, sizeof *values, compare);
}

/* "002f,0035,". */
static size_t put_words(char *out, const uint16_t *values, unsigned count, bool skips)
{
    size_t at = 0;

    for (unsigned i = 0; i < count; i++) {
        if (skips && (values[i] == NAME || values[i] == ALPN))
            continue;
        for (unsigned shift = 16; shift > 0;)
            out[at++] = HEX_DIGITS[values[i] >> (shift -= 4) & 15];
        out[at++] = ',';
    }
    return at;
}

/* Of nothing: zeros. */
static void put_hash(char *out, const char *text, size_t length)
{
    uint8_t digest[SHA256_BYTES] = {0};
    struct sha256 hash;

    if (length > 0) {
        sha256_init(&hash);
        sha256_add(&hash, (struct slice){text, length});
        sha256_end(&hash, digest);
    }
    for (unsigned i = 0; i < HASH_DIGITS; i++)
        out[i] = HEX_DIGITS[i % 2 == 0 ? digest[i / 2] >> 4 : digest[i / 2] & 15];
}

static void put_count(char out[2], unsigned count)
{
    unsigned shown = count < COUNT_MAX ? count : COUNT_MAX;

    out[0] = (char)('0' + shown / 10);
    out[1] = (char)('0' + shown % 10);
}

static void put_version(char out[2], unsigned version)
{
    static const char names[][3] = {"s3", "10", "11", "12", "13"};
    unsigned which = version - 0x0300;

    memcpy(out, which < sizeof names / sizeof *names ? names[which] : "00", 2);
}

static void put_front(char out[10], const struct tls_traits *t)
{
    out[0] = 't';
    put_version(out + 1, t->version);
    out[3] = t->has_name ? 'd' : 'i';
    put_count(out + 4, t->suites);
    put_count(out + 6, t->extensions);
    out[8] = t->alpn[0] != '\0' ? t->alpn[0] : '0';
    out[9] = t->alpn[0] != '\0' ? t->alpn[1] : '0';
}

bool tls_fingerprint_write(struct slice traits, char out[TLS_FINGERPRINT_BYTES])
{
    char words[TLS_TRAITS_MAX * WORD_BYTES];
    struct tls_traits t;
    uint16_t *extensions;
    size_t length, more;

    CHECK(traits.length <= sizeof t);
    if (traits.length == 0)
        return false;
    memcpy(&t, traits.start, traits.length);
    if (t.has_too_many)
        return false;
    extensions = t.values + t.suites;
    put_front(out, &t);
    out[10] = out[23] = '_';
    sort(t.values, t.suites);
    length = put_words(words, t.values, t.suites, false);
    put_hash(out + 11, words, length > 0 ? length - 1 : 0);
    sort(extensions, t.extensions);
    length = put_words(words, extensions, t.extensions, true);
    more = put_words(words + length, extensions + t.extensions, t.signatures, false);
    if (length > 0 && more > 0)
        words[length - 1] = '_';
    length += more;
    put_hash(out + 24, words, length > 0 ? length - 1 : 0);
    return true;
}
