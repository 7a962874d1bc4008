/*
 * One table, by the hash of the whole text, "*." included. A wildcard is found by the name with its
 * first label replaced by "*". The configuration chooses the names, so no client can crowd a
 * bucket.
 */
#include "net/tls_names.h"

#include "base/hash.h"
#include "base/mem.h"

enum { SIZE_MIN = 16, NAME_BYTES_MAX = 253, LABEL_BYTES_MAX = 63 };

/* A key in two pieces: so "*" replaces a label without a copy. */
struct key {
    struct slice wildcard, rest;
    uint64_t hash;
};

static struct slice without_dot(struct slice name)
{
    if (name.length > 0 && name.start[name.length - 1] == '.')
        name.length--;
    return name;
}

static uint64_t hash_lower(uint64_t hash, struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        char lower = ascii_lower(text.start[i]);

        hash = hash_add(hash, (struct slice){&lower, 1});
    }
    return hash;
}

static struct key key_of(struct slice wildcard, struct slice rest)
{
    struct key key = {wildcard, rest, 0};

    key.hash = hash_mix(hash_lower(hash_lower(HASH_START, wildcard), rest));
    return key;
}

static bool has_key(const struct tls_name *name, const struct key *key)
{
    struct slice first = {name->text, key->wildcard.length};
    struct slice second = {name->text + key->wildcard.length, key->rest.length};

    return name->length == key->wildcard.length + key->rest.length &&
           slice_is(first, key->wildcard) && slice_is_nocase(second, key->rest);
}

/* The key's slot, or the free slot where it belongs. */
static struct tls_name *slot_of(const struct tls_names *names, const struct key *key)
{
    uint32_t at = (uint32_t)key->hash & (names->size - 1);

    while (names->slots[at].text != NULL && !has_key(&names->slots[at], key))
        at = (at + 1) & (names->size - 1);
    return &names->slots[at];
}

static void grow(struct tls_names *names)
{
    struct tls_names larger = {.size = names->size > 0 ? names->size * 2 : SIZE_MIN};

    larger.slots = mem_zalloc_array(larger.size, sizeof *larger.slots);
    for (uint32_t i = 0; i < names->size; i++) {
        const struct tls_name *name = &names->slots[i];
        struct key key;

        if (name->text == NULL)
            continue;
        key = key_of(SLICE(""), (struct slice){name->text, name->length});
        *slot_of(&larger, &key) = *name;
    }
    mem_free(names->slots);
    names->slots = larger.slots;
    names->size = larger.size;
}

void tls_names_dispose(struct tls_names *names)
{
    for (uint32_t i = 0; i < names->size; i++)
        mem_free(names->slots[i].text);
    mem_free(names->slots);
    *names = (struct tls_names){0};
}

unsigned tls_names_add(struct tls_names *names, struct slice name, unsigned site)
{
    struct tls_name *slot;
    struct key key;

    if (names->count * 2 >= names->size)
        grow(names);
    name = without_dot(name);
    key = key_of(SLICE(""), name);
    slot = slot_of(names, &key);
    if (slot->text != NULL)
        return slot->site;
    *slot = (struct tls_name){
        .text = mem_copy(name.start, name.length), .length = (uint32_t)name.length, .site = site};
    for (size_t i = 0; i < name.length; i++)
        slot->text[i] = ascii_lower(slot->text[i]);
    names->count++;
    return site;
}

static bool look_up(const struct tls_names *names, struct slice wildcard, struct slice rest,
                    int *site)
{
    struct key key = key_of(wildcard, rest);
    const struct tls_name *slot = slot_of(names, &key);

    if (slot->text == NULL)
        return false;
    *site = (int)slot->site;
    return true;
}

bool tls_names_has(const struct tls_names *names, struct slice name)
{
    int site;

    return names->size > 0 && look_up(names, SLICE(""), without_dot(name), &site);
}

int tls_names_find(const struct tls_names *names, struct slice name)
{
    int site = names->strict ? TLS_NAMES_NONE : 0;
    const char *dot;

    name = without_dot(name);
    if (names->size == 0 || name.length == 0 || name.start[0] == '*')
        return site;
    if (look_up(names, SLICE(""), name, &site))
        return site;
    dot = memchr(name.start, '.', name.length);
    if (dot != NULL && dot > name.start)
        look_up(names, SLICE("*"), (struct slice){dot, name.length - (size_t)(dot - name.start)},
                &site);
    return site;
}

/* --- host names --- */

/* Letters, digits, hyphens, and the underscore, which some names in use have. */
static bool is_label(struct slice label)
{
    if (label.length == 0 || label.length > LABEL_BYTES_MAX || label.start[0] == '-' ||
        label.start[label.length - 1] == '-')
        return false;
    for (size_t i = 0; i < label.length; i++)
        if (!ascii_is_alphanumeric(label.start[i]) && label.start[i] != '-' &&
            label.start[i] != '_')
            return false;
    return true;
}

static bool is_number(struct slice label)
{
    for (size_t i = 0; i < label.length; i++)
        if (!ascii_is_digit(label.start[i]))
            return false;
    return true;
}

/* A name whose last label is a number would be an IPv4 address (URL Standard, 3.6). */
bool tls_names_is_host(struct slice name)
{
    struct slice rest = without_dot(name), label = rest;

    if (rest.length == 0 || rest.length > NAME_BYTES_MAX || rest.start[rest.length - 1] == '.')
        return false;
    while (rest.length > 0) {
        label = slice_take_until(&rest, '.');
        if (!is_label(label))
            return false;
    }
    return !is_number(label);
}

bool tls_names_is_right(struct slice name)
{
    if (slice_begins(name, SLICE("*.")))
        name = (struct slice){name.start + 2, name.length - 2};
    return tls_names_is_host(name);
}
