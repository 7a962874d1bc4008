#include "proxy/others.h"

struct others {
    struct sockaddr_in6 list[SEGMENT_SPARES_MAX];
    unsigned count, tried;
};

const struct sockaddr *others_next(struct others **others, const struct backend *backend,
                                   struct arena *arena, const struct sockaddr *failed,
                                   bool was_silent)
{
    struct others *o = *others;

    if (backend->settings->address.kind != ADDRESS_NAME)
        return NULL;
    if (o == NULL) {
        o = *others = arena_zalloc(arena, sizeof *o);
        o->count = backend_other_addresses(backend, failed, o->list);
    }
    if (o->tried == o->count || (was_silent && o->tried > 0))
        return NULL;
    return (const struct sockaddr *)&o->list[o->tried++];
}

void others_note_success(const struct others *o, struct backend *backend)
{
    if (o != NULL && o->tried > 0)
        backend_take_detour(backend, &o->list[o->tried - 1]);
}
