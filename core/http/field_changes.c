#include "http/field_changes.h"

#include "http/field_kind.h"

enum { COUNT_MAX = 100, BYTES_MAX = 65536, ROOM_AT_FIRST = 4 };

static void changes_grow(struct field_changes *changes, struct arena *arena)
{
    unsigned room = changes->room > 0 ? 2 * changes->room : ROOM_AT_FIRST;
    struct field *list = arena_alloc(arena, room * sizeof *list);

    if (changes->count > 0)
        memcpy(list, changes->list, changes->count * sizeof *list);
    changes->list = list;
    changes->room = room;
}

enum field_fault changes_add(struct field_changes *changes, struct arena *arena, enum field_use use,
                             struct slice name, const struct slice *value)
{
    struct slice trimmed = value != NULL ? slice_trim(*value) : (struct slice){NULL, 0};
    enum field_fault fault = field_check(use, name, value != NULL ? &trimmed : NULL);

    if (fault != FIELD_FINE)
        return fault;
    if (changes->count == COUNT_MAX || name.length > BYTES_MAX || trimmed.length > BYTES_MAX ||
        changes->bytes + name.length + trimmed.length > BYTES_MAX)
        return FIELD_TOO_MANY;
    if (changes->count == changes->room)
        changes_grow(changes, arena);
    changes->bytes += name.length + trimmed.length;
    changes->list[changes->count++] = (struct field){
        arena_copy(arena, name), value != NULL ? arena_copy(arena, trimmed) : trimmed};
    return FIELD_FINE;
}

static struct slice cookie_name(struct slice cookie)
{
    return slice_trim(slice_take_until(&cookie, '='));
}

static bool makes_way(enum field_use use, const struct field *came, const struct field *change)
{
    if (use == FIELD_IN_REQUEST)
        return name_is_alike(came->name, change->name);
    if (!slice_is_nocase(came->name, change->name))
        return false;
    if (change->value.start == NULL || !slice_is_nocase(came->name, SLICE("set-cookie")))
        return true;
    return slice_is(cookie_name(came->value), cookie_name(change->value));
}

bool changes_find_drop(const struct field_changes *changes, enum field_use use,
                       const struct field *came)
{
    for (unsigned i = 0; i < changes->count; i++)
        if (makes_way(use, came, &changes->list[i]))
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
                : makes_way(FIELD_IN_RESPONSE, before, &changes->list[i]))
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
