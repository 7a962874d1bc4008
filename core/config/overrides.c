#include "config/overrides.h"

#include "base/mem.h"

static void note_one(struct buffer *out, struct fields *root, const char *name, const char *source)
{
    enum fields_type type = fields_type(root, name, 0);

    if (source == NULL || type == FIELDS_NOTHING)
        return;
    buffer_printf(out, "%s%s by %s", buffer_length(out) > 0 ? ", " : "", name, source);
    if (type == FIELDS_TABLE && strcmp(name, "backends") == 0)
        buffer_append_text(out, " without the script's names, weights and tags");
}

void overrides_note(struct config *config, const struct config_overrides *given,
                    struct fields *root)
{
    struct buffer text = {0};

    note_one(&text, root, "listen", given->listen_count > 0 ? given->listen_source : NULL);
    note_one(&text, root, "backends", given->backends_count > 0 ? given->backends_source : NULL);
    note_one(&text, root, "workers", given->workers != NULL ? given->workers_source : NULL);
    if (buffer_length(&text) > 0)
        config->overridden = mem_copy(buffer_slice(&text).start, buffer_length(&text));
    buffer_dispose(&text);
}
