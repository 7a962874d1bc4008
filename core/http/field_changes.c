#include "http/field_changes.h"

#include "http/hop_fields.h"
#include "http/syntax.h"

enum { COUNT_MAX = 100, BYTES_MAX = 65536, ROOM_AT_FIRST = 4 };

static bool is_ours(enum changes_of of, struct slice name, bool is_removed)
{
    switch (field_kind_of(name)) {
    case FIELD_CONNECTION:
    case FIELD_HOP:
    case FIELD_TE:
    case FIELD_UPGRADE:
    case FIELD_TRAILER:
    case FIELD_CONTENT_LENGTH:
    case FIELD_TRANSFER_ENCODING:
    case FIELD_LOOK_ALIKE:
        return true;
    case FIELD_HOST:
    case FIELD_EXPECT: /* the client waits, or does not */
    case FIELD_MAX_FORWARDS:
        return of == CHANGES_OF_REQUEST;
    default:
        return !is_removed && slice_is_nocase(name, SLICE("via")); /* RFC 9110, 7.6.3 */
    }
}

static void changes_grow(struct field_changes *changes, struct arena *arena)
{
    unsigned room = changes->room > 0 ? 2 * changes->room : ROOM_AT_FIRST;
    struct field *list = arena_alloc(arena, room * sizeof *list);

    if (changes->count > 0)
        memcpy(list, changes->list, changes->count * sizeof *list);
    changes->list = list;
    changes->room = room;
}

enum changes_fault changes_check(enum changes_of of, struct slice name, const struct slice *value)
{
    if (!is_token(name))
        return CHANGES_NAME;
    if (is_ours(of, name, value == NULL))
        return CHANGES_OURS;
    return value != NULL && !is_text(*value) ? CHANGES_VALUE : CHANGES_FINE;
}

enum changes_fault changes_add(struct field_changes *changes, struct arena *arena,
                               enum changes_of of, struct slice name, const struct slice *value)
{
    struct slice trimmed = value != NULL ? slice_trim(*value) : (struct slice){NULL, 0};
    enum changes_fault fault = changes_check(of, name, value != NULL ? &trimmed : NULL);

    if (fault != CHANGES_FINE)
        return fault;
    if (changes->count == COUNT_MAX || name.length > BYTES_MAX || trimmed.length > BYTES_MAX ||
        changes->bytes + name.length + trimmed.length > BYTES_MAX)
        return CHANGES_MANY;
    if (changes->count == changes->room)
        changes_grow(changes, arena);
    changes->bytes += name.length + trimmed.length;
    changes->list[changes->count++] = (struct field){
        arena_copy(arena, name), value != NULL ? arena_copy(arena, trimmed) : trimmed};
    return CHANGES_FINE;
}

static struct slice cookie_name(struct slice cookie)
{
    return slice_trim(slice_take_until(&cookie, '='));
}

static bool makes_way(enum changes_of of, const struct field *came, const struct field *change)
{
    if (of == CHANGES_OF_REQUEST)
        return name_is_alike(came->name, change->name);
    if (!slice_is_nocase(came->name, change->name))
        return false;
    if (change->value.start == NULL || !slice_is_nocase(came->name, SLICE("set-cookie")))
        return true;
    return slice_is(cookie_name(came->value), cookie_name(change->value));
}

bool changes_find_drop(const struct field_changes *changes, enum changes_of of,
                       const struct field *came)
{
    for (unsigned i = 0; i < changes->count; i++)
        if (makes_way(of, came, &changes->list[i]))
            return true;
    return false;
}

/* All removed stays so: what is set now replaces but one cookie. */
static bool is_replaced(const struct field_changes *changes, const struct field *before,
                        unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        bool removes = changes->list[i].value.start == NULL;

        if (before->value.start == NULL && !removes
                ? slice_is_nocase(before->name, changes->list[i].name) &&
                      !slice_is_nocase(before->name, SLICE("set-cookie"))
                : makes_way(CHANGES_OF_RESPONSE, before, &changes->list[i]))
            return true;
    }
    return false;
}

void changes_lay_over(struct field_changes *changes, struct arena *arena,
                      const struct field_changes *before)
{
    unsigned count = changes->count;

    for (unsigned i = 0; i < before->count; i++) {
        const struct field *field = &before->list[i];

        if (is_replaced(changes, field, count))
            continue;
        if (changes->count == changes->room)
            changes_grow(changes, arena);
        changes->bytes += field->name.length + field->value.length;
        changes->list[changes->count++] = *field;
    }
}

bool changes_find_name(const struct field_changes *changes, struct slice name)
{
    for (unsigned i = 0; i < changes->count; i++)
        if (slice_is_nocase(changes->list[i].name, name))
            return true;
    return false;
}

const struct slice *changes_find_value(const struct field_changes *changes, struct slice name)
{
    for (unsigned i = changes != NULL ? changes->count : 0; i-- > 0;)
        if (slice_is_nocase(changes->list[i].name, name) && changes->list[i].value.start != NULL)
            return &changes->list[i].value;
    return NULL;
}
