#include "policy/options.h"

#include "http/target.h"

enum { TEXT_BYTES_MAX = 65536 };

static const double second_ms = 1000, day_s = 86400;

/* NULL: no choose is running. */
static struct facts_options *options_of(struct binding_call *call)
{
    struct facts_decision *decision = call->decision;

    if (decision == NULL)
        return NULL;
    if (decision->options == NULL)
        decision->options = arena_zalloc(call->request->arena, sizeof *decision->options);
    return decision->options;
}

bool policy_option_time(struct binding_call *call, uint32_t which, double seconds)
{
    struct facts_options *options = options_of(call);
    uint64_t ms;

    if (options == NULL || !(seconds * second_ms >= 1 && seconds <= day_s))
        return false;
    ms = (uint64_t)(seconds * second_ms);
    switch (which) {
    case OPTION_CONNECT:
        options->connect_ms = ms;
        return true;
    case OPTION_RESPONSE_HEAD:
        options->response_head_ms = ms;
        return true;
    case OPTION_RESPONSE_BODY:
        options->response_body_ms = ms;
        return true;
    case OPTION_DEADLINE:
        options->deadline_ms = ms;
        return true;
    default:
        return false;
    }
}

bool policy_option_host(struct binding_call *call, const char *text, size_t length)
{
    struct facts_options *options = options_of(call);

    if (options == NULL || length > TEXT_BYTES_MAX || !host_is_valid((struct slice){text, length}))
        return false;
    options->host = arena_copy(call->request->arena, (struct slice){text, length});
    return true;
}

bool policy_option_path(struct binding_call *call, const char *text, size_t length)
{
    struct facts_options *options = options_of(call);

    const struct slice path = {text, length};

    if (options == NULL || length > TEXT_BYTES_MAX)
        return false;
    if (slice_is(path, SLICE("*")) && slice_is(call->request->path, path))
        return true; /* OPTIONS for all of the server: it stays so (RFC 9112, 3.2.4) */
    if (!target_is_origin(path))
        return false;
    options->path = arena_copy(call->request->arena, path);
    return true;
}

uint32_t policy_option_field(struct binding_call *call, uint32_t of, const char *name,
                             size_t name_length, const char *value, size_t value_length)
{
    struct facts_options *options = options_of(call);
    const struct slice given = {value, value_length};

    if (options == NULL || of > CHANGES_OF_RESPONSE)
        return CHANGES_OURS;
    return changes_add(of == CHANGES_OF_REQUEST ? &options->request : &options->response,
                       call->request->arena, (enum changes_of)of, (struct slice){name, name_length},
                       value != NULL ? &given : NULL);
}
