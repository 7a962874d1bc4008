/*
 * What choose gives with a backend: timeouts, Host, path, fields. policy/overrides.lua sets them
 * one by one and calls these functions by name. Nothing that comes from there is trusted; false: it
 * cannot be that. Texts are copied to the request's arena.
 */
#include "policy/bindings.h"

#include "http/target.h"

enum { TEXT_BYTES_MAX = 65536 };

static const double second_ms = 1000, day_s = 86400;

/* NULL: no choose is running. */
static struct facts_overrides *overrides_of(struct binding_call *call)
{
    struct facts_decision *decision = call->decision;

    if (decision == NULL)
        return NULL;
    if (decision->overrides == NULL)
        decision->overrides = arena_zalloc(call->request->arena, sizeof *decision->overrides);
    return decision->overrides;
}

/* which: 0 connect, 1 response_head, 2 response_body, 3 deadline. */
bool policy_override_time(struct binding_call *call, uint32_t which, double seconds)
{
    struct facts_overrides *overrides = overrides_of(call);

    if (overrides == NULL || !(seconds * second_ms >= 1 && seconds <= day_s))
        return false;
    uint64_t *const times[] = {&overrides->connect_ms, &overrides->response_head_ms,
                               &overrides->response_body_ms, &overrides->deadline_ms};
    if (which >= sizeof times / sizeof *times)
        return false;
    *times[which] = (uint64_t)(seconds * second_ms);
    return true;
}

bool policy_override_host(struct binding_call *call, const char *text, size_t length)
{
    struct facts_overrides *overrides = overrides_of(call);

    if (overrides == NULL || length > TEXT_BYTES_MAX ||
        !host_is_valid((struct slice){text, length}))
        return false;
    overrides->host = arena_copy(call->request->arena, (struct slice){text, length});
    return true;
}

bool policy_override_path(struct binding_call *call, const char *text, size_t length)
{
    struct facts_overrides *overrides = overrides_of(call);

    const struct slice path = {text, length};

    if (overrides == NULL || length > TEXT_BYTES_MAX)
        return false;
    if (slice_is(path, SLICE("*")) && slice_is(call->request->path, path))
        return true; /* OPTIONS for all of the server: it stays so (RFC 9112, 3.2.4) */
    if (!target_is_origin(path))
        return false;
    overrides->path = arena_copy(call->request->arena, path);
    return true;
}

/* use: FIELD_IN_REQUEST or _RESPONSE; value may be NULL: the field is removed. Gives an enum
 * field_fault. */
uint32_t policy_override_field(struct binding_call *call, uint32_t use, const char *name,
                               size_t name_length, const char *value, size_t value_length)
{
    struct facts_overrides *overrides = overrides_of(call);
    const struct slice given = {value, value_length};

    if (overrides == NULL || use > FIELD_IN_RESPONSE)
        return FIELD_OURS;
    return changes_add(use == FIELD_IN_REQUEST ? &overrides->request : &overrides->response,
                       call->request->arena, (enum field_use)use, (struct slice){name, name_length},
                       value != NULL ? &given : NULL);
}
