/*
 * What scripts keep in the table: values, sums over a time, buckets of tokens. core/lua/shared.lua
 * calls these functions by name. Times are seconds. All are exact over all processes.
 *
 * A key of the table begins with a letter that says what it is: "k" a script's value, "w" a window,
 * "b" a bucket. For a long key the letter is a capital, and the key's SHA-256 follows it: no client
 * can make two long keys collide, nor a long and a short one. A window's value is a text: the
 * slices. A bucket's is one, too: the tokens that were left, and when. Its rate and its burst are
 * the script's and may change at a reload, so nothing that follows from them counts but the time at
 * which it expires: when it would be full, as a full bucket is what a key has that was never seen.
 */
#include "shared/store.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/sha256.h"
#include "shared/cells.h"
#include "shared/store_merge.h"
#include "shared/table.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

enum {
    KEY_BYTES_MAX = 128, /* of a key, and of a window's name; a longer one is hashed */
    NAME_BYTES_MAX = 48, /* of a bucket */
};

struct key {
    char bytes[TABLE_KEY_BYTES_MAX];
    size_t length;
    uint16_t group;
};

static void key_add(struct key *key, const void *bytes, size_t length)
{
    CHECK(length <= sizeof key->bytes - key->length);
    memcpy(key->bytes + key->length, bytes, length);
    key->length += length;
}

static void key_add_digest(struct key *key, struct slice bytes)
{
    uint8_t digest[SHA256_BYTES];
    struct sha256 hash;

    sha256_init(&hash);
    sha256_add(&hash, bytes);
    sha256_end(&hash, digest);
    key_add(key, digest, sizeof digest);
}

static void key_make(struct key *key, char kind, const char *bytes, size_t length)
{
    bool is_long = length > KEY_BYTES_MAX;
    char letter = is_long ? (char)toupper(kind) : kind;

    key->length = 0;
    key_add(key, &letter, 1);
    if (is_long)
        key_add_digest(key, (struct slice){bytes, length});
    else
        key_add(key, bytes, length);
}

/* What the script has chosen says which keys are of one name, and never a client: a bucket's name,
 * a window's seconds, and for values nothing at all. */
static void key_set_group(struct key *key, char kind, const void *name, size_t length)
{
    uint64_t hash = hash_add(HASH_START ^ (unsigned char)kind, (struct slice){name, length});

    key->group = (uint16_t)hash_mix(hash);
}

static void value_key(struct key *whole, const char *key, size_t length)
{
    key_make(whole, 'k', key, length);
    key_set_group(whole, 'k', NULL, 0);
}

static struct slice key_slice(const struct key *key)
{
    return (struct slice){key->bytes, key->length};
}

static uint64_t expiry(double ttl)
{
    return ttl > 0 ? clock_steady_ms() + (uint64_t)ceil(ttl * 1000) : 0;
}

/* For specs. */
struct table *store_table(struct segment *segment)
{
    return &segment->table;
}

/* --- values --- */

const struct table_value *store_at(struct segment *segment, uint32_t cell, struct slice *key)
{
    static char room[TABLE_KEY_BYTES_MAX];
    static struct table_value value;
    uint16_t group;

    if (!cell_read_key(&segment->table, cell, room, key, &group) || room[0] != 'k' ||
        !table_read(&segment->table, *key, &value))
        return NULL;
    *key = slice_from(*key, 1);
    return &value;
}

uint32_t store_cells(const struct segment *segment)
{
    return cells_ever_used(&segment->table);
}

/* NULL: no value. Good until the next call. */
const struct table_value *store_get(struct segment *segment, const char *key, size_t length)
{
    static struct table_value value;
    struct key whole;

    value_key(&whole, key, length);
    return table_read(&segment->table, key_slice(&whole), &value) ? &value : NULL;
}

struct setting {
    const struct store_value *value;
    bool only_if_absent, is_present;
};

static enum table_decision set(void *data, const struct table_value *old, struct table_value *now)
{
    struct setting *s = data;

    s->is_present = old != NULL;
    if (s->is_present && s->only_if_absent)
        return TABLE_KEEP;
    now->type = (uint16_t)s->value->type;
    now->number = s->value->number;
    now->length = (uint32_t)s->value->length;
    now->expires_ms = expiry(s->value->ttl);
    now->is_kept = s->value->is_kept;
    memcpy(now->text, s->value->text, s->value->length);
    return TABLE_REPLACE;
}

/* An enum store_outcome, as of those that follow. */
int32_t store_set(struct segment *segment, const char *key, size_t length,
                  const struct store_value *value, bool only_if_absent)
{
    struct setting s = {value, only_if_absent, false};
    struct key whole;

    value_key(&whole, key, length);
    if (value->length > TABLE_TEXT_BYTES_MAX)
        return STORE_TOO_LONG;
    if (table_update(&segment->table, key_slice(&whole), whole.group, set, &s) == TABLE_FULL)
        return STORE_FULL;
    return s.is_present && only_if_absent ? STORE_PRESENT : STORE_DONE;
}

static enum table_decision drop(void *data, const struct table_value *old, struct table_value *now)
{
    (void)data, (void)old, (void)now;
    return TABLE_REMOVE;
}

int32_t store_remove(struct segment *segment, const char *key, size_t length)
{
    struct key whole;

    value_key(&whole, key, length);
    return table_update(&segment->table, key_slice(&whole), whole.group, drop, NULL) == TABLE_FULL
               ? STORE_FULL
               : STORE_DONE;
}

struct addition {
    double by, ttl, sum;
    bool is_no_number;
};

static enum table_decision add(void *data, const struct table_value *old, struct table_value *now)
{
    struct addition *a = data;

    a->is_no_number = old != NULL && old->type != TABLE_NUMBER;
    if (a->is_no_number)
        return TABLE_KEEP;
    now->type = TABLE_NUMBER;
    now->length = 0;
    now->number = a->sum = (old != NULL ? old->number : 0) + a->by;
    now->expires_ms = old != NULL ? old->expires_ms : expiry(a->ttl);
    now->is_kept = old != NULL ? old->is_kept : 0;
    now->is_sum = 1;
    return TABLE_REPLACE;
}

/* Adds; a key without a value begins at 0, and lives for ttl from then on. */
int32_t store_incr(struct segment *segment, const char *key, size_t length, double by, double ttl,
                   double *sum)
{
    struct addition a = {.by = by, .ttl = ttl};
    struct key whole;

    value_key(&whole, key, length);
    if (table_update(&segment->table, key_slice(&whole), whole.group, add, &a) == TABLE_FULL)
        return STORE_FULL;
    *sum = a.sum;
    return a.is_no_number ? STORE_NO_NUMBER : STORE_DONE;
}

/* --- windows --- */

struct window_addition {
    double seconds, amount, sum;
};

static uint64_t slice_now(double seconds)
{
    return (uint64_t)((double)clock_steady_us() * WINDOW_SLICES / (seconds * 1e6));
}

static double slices_sum(const struct slices *slices)
{
    double sum = 0;

    for (unsigned i = 0; i < WINDOW_SLICES; i++)
        sum += slices->amounts[i];
    return sum;
}

static enum table_decision add_to_window(void *data, const struct table_value *old,
                                         struct table_value *now)
{
    struct window_addition *w = data;
    struct slices slices;

    slices_read(&slices, old);
    slices_advance(&slices, slice_now(w->seconds));
    slices.amounts[slices.last % WINDOW_SLICES] += w->amount;
    w->sum = slices_sum(&slices);
    now->type = TABLE_TEXT;
    now->number = 0;
    now->expires_ms = expiry(w->seconds);
    now->length = sizeof slices;
    memcpy(now->text, &slices, sizeof slices);
    return TABLE_REPLACE;
}

static void window_key(struct key *key, const char *name, size_t length, double seconds)
{
    key_make(key, 'w', name, length);
    key_add(key, &seconds, sizeof seconds);
    key_set_group(key, 'w', &seconds, sizeof seconds);
}

/* A sum over the last `seconds`, in slices of a 60th: what was added is in it for at least
 * 59/60 of that time and at most all of it. The name and the seconds make the window. */
int32_t store_window_add(struct segment *segment, const char *name, size_t length, double seconds,
                         double amount, double *sum)
{
    struct window_addition w = {.seconds = seconds, .amount = amount};
    struct key key;

    window_key(&key, name, length, seconds);
    if (table_update(&segment->table, key_slice(&key), key.group, add_to_window, &w) == TABLE_FULL)
        return STORE_FULL;
    *sum = w.sum;
    return STORE_DONE;
}

double store_window_get(struct segment *segment, const char *name, size_t length, double seconds)
{
    struct table_value value;
    struct slices slices;
    struct key key;

    window_key(&key, name, length, seconds);
    if (!table_read(&segment->table, key_slice(&key), &value))
        return 0;
    slices_read(&slices, &value);
    slices_advance(&slices, slice_now(seconds));
    return slices_sum(&slices);
}

/* --- buckets --- */

struct store_bucket { /* also declared in core/lua/shared.lua: change both */
    const char *name; /* borrowed */
    size_t length;    /* of the name */
    double rate;      /* new tokens a second, */
    double burst;     /* and how many a full one holds; both may be others than before */
};

struct taking {
    const struct store_bucket *bucket;
    double tokens;
    double wait; /* seconds until there are enough; 0: taken */
};

/* What is there now. Another process may be ahead of this one's clock. */
static struct level level_now(const struct taking *t, const struct table_value *value)
{
    struct level level, now = {t->bucket->burst, (double)clock_steady_us()};

    if (value == NULL || value->length != sizeof level)
        return now;
    memcpy(&level, value->text, sizeof level);
    now.at_us = fmax(now.at_us, level.at_us);
    now.tokens =
        fmin(t->bucket->burst, level.tokens + (now.at_us - level.at_us) / 1e6 * t->bucket->rate);
    return now;
}

static enum table_decision bucket_take(void *data, const struct table_value *old,
                                       struct table_value *now)
{
    const double rounding = 1e-3; /* of a token, over the sum of so many */
    struct taking *t = data;
    double rate = t->bucket->rate, burst = t->bucket->burst;
    struct level level = level_now(t, old);

    t->wait = (t->tokens - level.tokens) / rate;
    if (t->tokens - level.tokens > rounding)
        return TABLE_KEEP;
    t->wait = 0;
    level.tokens -= t->tokens;
    now->type = TABLE_TEXT;
    now->number = rate; /* for store_merge alone */
    now->expires_ms = (uint64_t)(level.at_us / 1e3 + (burst - level.tokens) / rate * 1e3) + 1;
    now->length = sizeof level;
    memcpy(now->text, &level, sizeof level);
    return TABLE_REPLACE;
}

/* Takes so many tokens out of the key's bucket. 1: taken; 0: not, and *wait says in how many
 * seconds they are there; -1: no room for another key; -2: the bucket's name is too long. */
int32_t store_bucket_take(struct segment *segment, const struct store_bucket *bucket,
                          const char *key, size_t length, double tokens, double *wait)
{
    struct taking t = {.bucket = bucket, .tokens = tokens};
    struct key whole;

    if (bucket->length > NAME_BYTES_MAX)
        return -2;
    key_make(&whole, 'b', key, length);
    key_add(&whole, "\0", 1); /* a name has none */
    key_add(&whole, bucket->name, bucket->length);
    key_set_group(&whole, 'b', bucket->name, bucket->length);
    if (table_update(&segment->table, key_slice(&whole), whole.group, bucket_take, &t) ==
        TABLE_FULL)
        return -1;
    *wait = t.wait;
    return t.wait == 0;
}
