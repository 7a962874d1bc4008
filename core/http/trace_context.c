#include "http/trace_context.h"

#include "base/check.h"
#include "base/hex.h"

enum { AT_TRACE = 3, AT_SPAN = 36, AT_FLAGS = 53, SAMPLED = 1, RANDOM = 2 };

/* --- what came --- */

/* Of more than one field nobody knows which is meant. */
static bool find_parent(const struct head *head, struct slice *value)
{
    unsigned at = 0;
    const struct field *field = head_next(head, FIELD_TRACEPARENT, &at);

    if (field == NULL || head_next(head, FIELD_TRACEPARENT, &at) != NULL)
        return false;
    *value = field->value;
    return true;
}

/* A later version may have more behind a '-', and its flags may mean more; what it has here means
 * the same. Version ff is none. */
static bool has_form(struct slice value, bool *is_later)
{
    uint64_t version;

    if (value.length < TRACE_PARENT_BYTES || !hex_read(value.start, 2, &version) || version == 0xff)
        return false;
    *is_later = version > 0;
    if (value.length > TRACE_PARENT_BYTES && (!*is_later || value.start[TRACE_PARENT_BYTES] != '-'))
        return false;
    return value.start[AT_TRACE - 1] == '-' && value.start[AT_SPAN - 1] == '-' &&
           value.start[AT_FLAGS - 1] == '-';
}

/* All lines are one list, with a comma between two. */
static bool state_is_long(const struct head *head)
{
    const struct field *field;
    unsigned at = 0;
    size_t bytes = 0;

    while ((field = head_next(head, FIELD_TRACESTATE, &at)) != NULL)
        bytes += field->value.length + (bytes > 0);
    return bytes > TRACE_STATE_MAX;
}

bool trace_context_continue(struct trace_context *t, const struct head *head)
{
    uint64_t left, right, parent, flags;
    struct slice value;
    bool is_later;

    if (!find_parent(head, &value) || !has_form(value, &is_later) ||
        !hex_read(value.start + AT_TRACE, HEX_WORD_BYTES, &left) ||
        !hex_read(value.start + AT_TRACE + HEX_WORD_BYTES, HEX_WORD_BYTES, &right) ||
        !hex_read(value.start + AT_SPAN, HEX_WORD_BYTES, &parent) ||
        !hex_read(value.start + AT_FLAGS, 2, &flags) || (left | right) == 0 || parent == 0)
        return false;
    memcpy(t->text, value.start, TRACE_PARENT_BYTES);
    memcpy(t->text, "00", 2); /* what is written is of this version */
    t->parent = parent;
    t->is_sampled = (flags & SAMPLED) != 0;
    t->is_random = !is_later && (flags & RANDOM) != 0;
    t->drops_state = state_is_long(head);
    return true;
}

/* --- what goes on --- */

void trace_context_begin(struct trace_context *t, uint64_t random, struct slice id, bool is_sampled)
{
    DCHECK(id.length == HEX_WORD_BYTES);
    memcpy(t->text, "00-", AT_TRACE + 1);
    hex_put_word(t->text + AT_TRACE, random | 1); /* never 0 */
    memcpy(t->text + AT_TRACE + HEX_WORD_BYTES, id.start, HEX_WORD_BYTES);
    t->text[AT_SPAN - 1] = t->text[AT_FLAGS - 1] = '-';
    t->is_sampled = is_sampled;
    t->is_random = true;
    t->drops_state = true;
    t->parent = 0;
}

void trace_context_set_span(struct trace_context *t, uint64_t span, bool is_sampled)
{
    static const char flags[][2] = {"00", "01", "02", "03"};

    hex_put_word(t->text + AT_SPAN, span);
    memcpy(t->text + AT_FLAGS, flags[t->is_random * RANDOM + is_sampled * SAMPLED], 2);
}
