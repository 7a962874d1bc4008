#include "http/head.h"

const struct slice *head_find(const struct head *head, struct slice name)
{
    for (unsigned i = 0; i < head->fields_count; i++)
        if (slice_is_nocase(head->fields[i].name, name))
            return &head->fields[i].value;
    return NULL;
}

const struct field *head_search(const struct head *head, enum field_kind kind, unsigned *at)
{
    const unsigned char *kinds = head->kinds;
    unsigned count = head->fields_count;
    unsigned i = *at;

    if (kinds != NULL)
        while (i < count && (enum field_kind)(kinds[i] & ~FIELD_IS_PLAIN) != kind)
            i++;
    else
        while (i < count && field_kind_of(head->fields[i].name) != kind)
            i++;
    *at = i + 1;
    return i < count ? &head->fields[i] : NULL;
}

bool list_next(struct slice *rest, struct slice *member)
{
    while (rest->length > 0) {
        *member = slice_trim(slice_take_until(rest, ','));
        if (member->length > 0)
            return true;
    }
    return false;
}

bool members_search(struct members *m, struct slice *member)
{
    while (!list_next(&m->rest, member)) {
        const struct field *field = head_next(m->head, m->kind, &m->at);

        if (field == NULL)
            return false;
        m->rest = field->value;
    }
    return true;
}

bool head_lists(const struct head *head, enum field_kind kind, struct slice token)
{
    struct members members = {.head = head, .kind = kind};
    struct slice member;

    while (members_next(&members, &member))
        if (slice_is_nocase(member, token))
            return true;
    return false;
}

bool number_read(struct slice digits, uint64_t *number)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < digits.length; i++) {
        unsigned digit = (unsigned char)digits.start[i] - (unsigned)'0';

        if (digit > 9 || __builtin_mul_overflow(sum, 10u, &sum) ||
            __builtin_add_overflow(sum, digit, &sum))
            return false;
    }
    *number = sum;
    return digits.length > 0;
}

bool head_keeps_alive(const struct head *head)
{
    if (!head_has(head, FIELD_CONNECTION))
        return head->version >= VERSION_1_1;
    if (head_lists(head, FIELD_CONNECTION, SLICE("close")))
        return false;
    return head->version >= VERSION_1_1 || head_lists(head, FIELD_CONNECTION, SLICE("keep-alive"));
}
