#include "discover/members.h"

#include "base/mem.h"

#include <string.h>

/* Each place may leave, and each slot leave one place and join another. */
enum { MEMBER_CHANGES_MAX = 3 * SEGMENT_BACKENDS_MAX };

/* The script's own backends keep the first places. */
void members_init(struct membership *m, const struct config *config, const struct segment *segment,
                  uint64_t edition)
{
    bool has_sources = config->sources_count > 0;
    unsigned count = config->backends_count;

    *m = (struct membership){.config = config,
                             .segment = segment,
                             .edition = edition,
                             .capacity = has_sources ? SEGMENT_BACKENDS_MAX : count,
                             .count = count,
                             .listed = count};
    m->list = mem_zalloc((m->capacity + 1) * sizeof *m->list);
    m->order = mem_zalloc((m->capacity + 1) * sizeof *m->order);
    for (unsigned i = 0; i < count; i++) {
        m->list[i] = (struct member){.settings = &config->backends[i], .is_listed = true};
        m->order[i] = i;
    }
    if (!has_sources)
        return;
    m->by_slot = mem_zalloc(SEGMENT_BACKENDS_MAX * sizeof *m->by_slot);
    m->changes = mem_zalloc(MEMBER_CHANGES_MAX * sizeof *m->changes);
    for (unsigned i = 0; i < count; i++)
        m->by_slot[config->backends[i].slot] = (uint16_t)(i + 1);
}

/* --- one that was found --- */

static void free_tags(struct config_pairs *tags)
{
    for (unsigned i = 0; i < tags->count; i++) {
        mem_free(tags->list[i].name);
        mem_free(tags->list[i].value);
    }
    mem_free(tags->list);
    *tags = (struct config_pairs){0};
}

static void free_own(struct config_backend *b)
{
    if (b == NULL)
        return;
    mem_free(b->name);
    mem_free(b->written);
    free_tags(&b->tags);
    mem_free(b);
}

/* A text in quotes, as found_describe writes it. False: there is none. */
static bool take_text(struct slice *rest, struct buffer *out)
{
    size_t at = 1;

    buffer_clear(out);
    if (rest->length == 0 || rest->start[0] != '"')
        return false;
    for (; at < rest->length && rest->start[at] != '"'; at++) {
        at += rest->start[at] == '\\' && at + 1 < rest->length;
        buffer_append_byte(out, rest->start[at]);
    }
    *rest = slice_from(*rest, at < rest->length ? at + 1 : at);
    return true;
}

/* "zone":"a","node":"b" */
static void read_tags(struct config_pairs *tags, const char *text)
{
    struct buffer name = {0}, value = {0};
    struct slice rest = slice_of(text);

    free_tags(tags);
    while (take_text(&rest, &name) && rest.length > 0) {
        rest = slice_from(rest, 1);
        if (!take_text(&rest, &value))
            break;
        config_add_pair(tags, buffer_slice(&name), buffer_slice(&value));
        rest = slice_from(rest, rest.length > 0);
    }
    buffer_dispose(&name);
    buffer_dispose(&value);
}

static void read_what_may_change(struct config_backend *b, const struct roster_entry *entry)
{
    b->weight = entry->weight;
    b->max_in_flight = entry->max_in_flight;
    b->priority = entry->priority;
    read_tags(&b->tags, entry->tags);
}

/* NULL: it has no address, which the monitor has checked. */
static struct config_backend *read_backend(const struct roster_entry *entry, unsigned slot)
{
    struct slice text = slice_of(entry->address);
    bool is_h2c = slice_begins_nocase(text, SLICE("h2c://"));
    struct config_backend *b = mem_zalloc(sizeof *b);

    text = is_h2c                                        ? slice_from(text, 6)
           : slice_begins_nocase(text, SLICE("http://")) ? slice_from(text, 7)
                                                         : text;
    if (address_parse(&b->address, text, false) != NULL) {
        mem_free(b);
        return NULL;
    }
    b->name = mem_copy_text(entry->name);
    b->written = mem_copy_text(entry->address);
    b->text = b->written + (text.start - entry->address);
    b->scheme = is_h2c ? CONFIG_H2C : CONFIG_HTTP;
    b->slot = slot;
    read_what_may_change(b, entry);
    return b;
}

/* --- follow --- */

static void note(struct membership *m, unsigned place, enum member_news news)
{
    m->changes[m->changes_count++] = (struct member_change){place, news};
}

static unsigned free_place(struct membership *m)
{
    while (m->free_from < m->count && m->list[m->free_from].settings != NULL)
        m->free_from++;
    if (m->free_from == m->count && m->count < m->capacity)
        m->count++;
    return m->free_from;
}

/* False: it has no place now. */
static bool join(struct membership *m, unsigned slot, const struct roster_entry *entry,
                 uint32_t version)
{
    struct config_backend *b = read_backend(entry, slot);
    unsigned place = b != NULL ? free_place(m) : m->capacity;

    if (place == m->capacity) {
        free_own(b);
        return false;
    }
    m->list[place] =
        (struct member){.settings = b, .own = b, .version = version, .is_listed = true};
    m->by_slot[slot] = (uint16_t)(place + 1);
    note(m, place, MEMBER_JOINED);
    return true;
}

static void leave(struct membership *m, unsigned place)
{
    struct member *member = &m->list[place];

    m->by_slot[member->settings->slot] = 0;
    member->is_listed = false;
    m->left++;
    note(m, place, MEMBER_LEFT);
}

/* It has left, and comes back. */
static unsigned find_left(const struct membership *m, unsigned slot,
                          const struct roster_entry *entry)
{
    for (unsigned i = 0; i < m->count && m->left > 0; i++) {
        const struct member *member = &m->list[i];

        if (member->own != NULL && !member->is_listed && member->own->slot == slot &&
            strcmp(member->own->name, entry->name) == 0 &&
            strcmp(member->own->written, entry->address) == 0)
            return i;
    }
    return m->capacity;
}

static bool come_back(struct membership *m, unsigned slot, const struct roster_entry *entry,
                      uint32_t version)
{
    unsigned place = find_left(m, slot, entry);

    if (place == m->capacity)
        return false;
    m->list[place].is_listed = true;
    m->list[place].version = version;
    m->left--;
    m->by_slot[slot] = (uint16_t)(place + 1);
    read_what_may_change(m->list[place].own, entry);
    note(m, place, MEMBER_JOINED);
    return true;
}

/* The slot is in the list: it has a place, or gets one. */
static void take(struct membership *m, unsigned slot)
{
    uint32_t version = roster_version(m->segment, slot);
    unsigned place = m->by_slot[slot];
    struct roster_entry entry;
    struct member *member;

    if (place != 0) {
        member = &m->list[place - 1];
        if (member->own == NULL || member->version == version ||
            !roster_read(m->segment, slot, &entry))
            return;
        if (strcmp(member->own->name, entry.name) == 0 &&
            strcmp(member->own->written, entry.address) == 0) {
            member->version = version;
            read_what_may_change(member->own, &entry);
            note(m, place - 1, MEMBER_CHANGED);
            return;
        }
        leave(m, place - 1); /* others had the slot in between */
    } else if (!roster_read(m->segment, slot, &entry)) {
        return;
    }
    if (!come_back(m, slot, &entry, version))
        (void)join(m, slot, &entry, version);
}

static void leave_unless_listed(struct membership *m, const struct roster_list *list, uint8_t of)
{
    bool *is_listed = mem_zalloc(SEGMENT_BACKENDS_MAX * sizeof *is_listed);

    for (unsigned i = 0; i < list->head.count; i++)
        is_listed[list->slots[i] % SEGMENT_BACKENDS_MAX] |= (list->of[i] & of) != 0;
    for (unsigned i = 0; i < m->count; i++)
        if (m->list[i].own != NULL && m->list[i].is_listed && !is_listed[m->list[i].own->slot])
            leave(m, i);
    mem_free(is_listed);
}

static void follow_list(struct membership *m, const struct roster_list *list)
{
    uint8_t of = m->edition >= list->head.edition ? ROSTER_OF_EDITION : ROSTER_OF_EARLIER;

    leave_unless_listed(m, list, of);
    m->listed = m->config->backends_count;
    for (unsigned i = 0; i < list->head.count; i++) {
        unsigned slot = list->slots[i] % SEGMENT_BACKENDS_MAX, place;

        if (!(list->of[i] & of))
            continue;
        take(m, slot);
        place = m->by_slot[slot];
        if (place != 0 && m->list[place - 1].own != NULL)
            m->order[m->listed++] = place - 1;
    }
}

bool members_follow(struct membership *m)
{
    uint64_t number = roster_listed(m->segment);
    struct roster_list *list;
    bool is_whole;

    m->changes_count = 0;
    if (m->by_slot == NULL || number == 0 || number == m->number)
        return false;
    list = mem_alloc(sizeof *list);
    is_whole =
        roster_read_list(m->segment, number, list) && list->head.count <= SEGMENT_BACKENDS_MAX;
    if (is_whole) {
        follow_list(m, list);
        m->number = number;
        m->wanted = list->wanted;
    }
    mem_free(list);
    return is_whole;
}

void members_free(struct membership *m, unsigned place)
{
    struct member *member = &m->list[place];

    CHECK(member->own != NULL && !member->is_listed);
    free_own(member->own);
    *member = (struct member){0};
    m->left--;
    m->free_from = place < m->free_from ? place : m->free_from;
}

void members_dispose(struct membership *m)
{
    for (unsigned i = 0; i < m->count; i++)
        free_own(m->list[i].own);
    mem_free(m->list);
    mem_free(m->order);
    mem_free(m->by_slot);
    mem_free(m->changes);
}
