#include "dial/secured.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_BYTES_MAX = 1 << 20, LOOK_MS = 1000, UNUSED_MAX = 64, WHY_BYTES = 256 };

struct secured {
    struct list_node node; /* in no list: its files have changed since */
    struct buffer id;      /* what is asked for, as bytes */
    struct tls_target target;
    unsigned uses;
    uint64_t files, looked_ms; /* how the files looked, and when */
};

static struct list_node all = {&all, &all}; /* the one used last is last */
static unsigned all_count;
static char why_not[WHY_BYTES];

/* --- files --- */

static uint64_t look_at(const char *path)
{
    struct stat found;
    uint64_t parts[4] = {0};

    if (path == NULL)
        return 0;
    if (stat(path, &found) == 0) {
        parts[0] = found.st_ino;
        parts[1] = (uint64_t)found.st_size;
        parts[2] = (uint64_t)found.st_mtim.tv_sec;
        parts[3] = (uint64_t)found.st_mtim.tv_nsec;
    }
    return hash_mix(hash_add(HASH_START, (struct slice){(const char *)parts, sizeof parts}));
}

static uint64_t look_at_all(const struct secured_wish *wish)
{
    return look_at(wish->ca) + look_at(wish->cert) * 3 + look_at(wish->key) * 5;
}

/* An empty slice of NULL. There is room for all of it from the beginning: no memory that is left
 * while it grows keeps a part of a key. */
static bool read_file(const char *path, struct buffer *bytes, struct slice *text)
{
    struct stat found;
    bool has_size = path != NULL && stat(path, &found) == 0 && found.st_size < FILE_BYTES_MAX;
    int code;

    if (has_size)
        (void)buffer_reserve(bytes, (size_t)found.st_size + 1);
    code = path != NULL ? file_read(path, FILE_BYTES_MAX, bytes) : 0;

    *text = buffer_slice(bytes);
    if (code == 0)
        return true;
    snprintf(why_not, sizeof why_not, "%s: %s", path, strerror(code));
    return false;
}

static bool check_authorities(const struct secured_wish *wish, struct slice pem)
{
    struct buffer words = {0};
    bool is_right = wish->ca == NULL || tls_certificate_check_list(pem, false, &words);

    if (!is_right)
        snprintf(why_not, sizeof why_not, "%s: %s", wish->ca, buffer_text(&words));
    buffer_dispose(&words);
    return is_right;
}

static bool check_own(const struct secured_wish *wish, const struct tls_certificate *own)
{
    struct buffer words = {0}, names = {0};
    struct tls_facts facts;
    enum tls_fault fault;
    bool is_right =
        wish->cert == NULL || tls_certificate_check(own, &facts, &names, &words, &fault);

    if (!is_right)
        snprintf(why_not, sizeof why_not, "%s: %s", wish->cert, buffer_text(&words));
    buffer_dispose(&words);
    buffer_dispose(&names);
    return is_right;
}

static void forget(struct buffer *bytes)
{
    struct slice all_of_it = buffer_slice(bytes);

    if (all_of_it.length > 0)
        explicit_bzero((char *)(uintptr_t)all_of_it.start, all_of_it.length);
    buffer_dispose(bytes);
}

/* --- wishes --- */

static char *put_text(char *at, struct slice text)
{
    slice_put(at, text);
    at[text.length] = '\0';
    return at + text.length + 1;
}

static size_t room_for(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 0;
}

static char *copy_path(char **at, const char *path)
{
    char *copy = *at;

    if (path == NULL)
        return NULL;
    *at = put_text(copy, slice_of(path));
    return copy;
}

struct secured_wish *secured_wish_copy(const struct secured_wish *wish)
{
    size_t texts =
        wish->name.length + 1 + room_for(wish->ca) + room_for(wish->cert) + room_for(wish->key);
    struct secured_wish *copy = mem_alloc(sizeof *copy + texts);
    char *at = (char *)(copy + 1);

    *copy = *wish;
    copy->name.start = at;
    at = put_text(at, wish->name);
    copy->ca = copy_path(&at, wish->ca);
    copy->cert = copy_path(&at, wish->cert);
    copy->key = copy_path(&at, wish->key);
    return copy;
}

/* --- entries --- */

static void set_target(struct secured *s, const struct secured_wish *wish,
                       const struct tls_remote_rules *rules)
{
    struct slice protocols = wish->is_http ? SLICE("\x08http/1.1") : SLICE("");

    (void)tls_target_set(&s->target, rules, wish->name, protocols);
}

static bool load(struct secured *s, const struct secured_wish *wish)
{
    struct tls_remote_rules rules = {.verify = wish->verify};
    struct buffer ca = {0}, cert = {0}, key = {0};
    bool is_right = read_file(wish->ca, &ca, &rules.ca) &&
                    read_file(wish->cert, &cert, &rules.own.chain) &&
                    read_file(wish->key, &key, &rules.own.key);

    if (wish->key == NULL)
        rules.own.key = rules.own.chain;
    is_right = is_right && check_authorities(wish, rules.ca) && check_own(wish, &rules.own);
    if (is_right)
        set_target(s, wish, &rules);
    forget(&ca);
    forget(&cert);
    forget(&key);
    return is_right;
}

static void add_text(struct buffer *id, const char *text)
{
    buffer_append_text(id, text != NULL ? text : "");
    buffer_append_byte(id, '\0');
}

static void describe(struct buffer *id, const struct secured_wish *wish)
{
    buffer_append_byte(id, wish->verify ? 'v' : '-');
    buffer_append_byte(id, wish->is_http ? 'h' : '-');
    add_text(id, wish->ca);
    add_text(id, wish->cert);
    add_text(id, wish->key);
    buffer_append(id, wish->name);
}

static void free_if_over(struct secured *s)
{
    if (s->uses > 0 || list_has_node(&s->node))
        return;
    tls_target_dispose(&s->target);
    buffer_dispose(&s->id);
    mem_free(s);
}

static void drop(struct secured *s)
{
    list_remove(&s->node);
    all_count--;
    free_if_over(s);
}

static void trim(void)
{
    struct list_node *node = all.next;

    while (all_count > UNUSED_MAX && node != &all) {
        struct secured *s = list_entry(node, struct secured, node);

        node = node->next;
        if (s->uses == 0)
            drop(s);
    }
}

static struct secured *find(const struct buffer *id)
{
    for (struct list_node *node = all.next; node != &all; node = node->next) {
        struct secured *s = list_entry(node, struct secured, node);

        if (slice_is(buffer_slice(&s->id), buffer_slice(id)))
            return s;
    }
    return NULL;
}

static bool has_changed(struct secured *s, const struct secured_wish *wish, uint64_t now_ms)
{
    if (now_ms < s->looked_ms + LOOK_MS)
        return false;
    s->looked_ms = now_ms;
    return s->files != look_at_all(wish);
}

/* Takes the id. */
static struct secured *add(struct buffer *id, const struct secured_wish *wish, uint64_t now_ms)
{
    struct secured *s = mem_zalloc(sizeof *s);

    list_init(&s->node);
    s->id = *id;
    s->looked_ms = now_ms;
    s->files = look_at_all(wish);
    if (!load(s, wish)) {
        free_if_over(s);
        return NULL;
    }
    all_count++;
    list_append(&all, &s->node);
    return s;
}

struct secured *secured_use(const struct secured_wish *wish, uint64_t now_ms, const char **why)
{
    struct buffer id = {0};
    struct secured *s;

    *why = why_not;
    describe(&id, wish);
    s = find(&id);
    if (s != NULL && has_changed(s, wish, now_ms)) {
        drop(s);
        s = NULL;
    }
    if (s != NULL)
        buffer_dispose(&id);
    else
        s = add(&id, wish, now_ms);
    secured_hold(s);
    trim(); /* those that nobody holds */
    return s;
}

struct secured *secured_hold(struct secured *s)
{
    if (s != NULL)
        s->uses++;
    return s;
}

void secured_release(struct secured *s)
{
    if (s == NULL)
        return;
    s->uses--;
    free_if_over(s);
}

struct tls_target *secured_target(struct secured *s)
{
    return &s->target;
}
