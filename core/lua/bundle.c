#include "lua/bundle.h"

#include "base/mem.h"

#include <stdint.h>

void bundle_dispose(struct bundle *bundle)
{
    for (unsigned i = 0; i < bundle->count; i++) {
        mem_free(bundle->modules[i].name);
        mem_free(bundle->modules[i].path);
        mem_free(bundle->modules[i].text);
    }
    mem_free(bundle->modules);
    *bundle = (struct bundle){0};
}

const struct bundle_module *bundle_find(const struct bundle *bundle, struct slice name,
                                        bool is_file)
{
    for (unsigned i = 0; i < bundle->count; i++) {
        const struct bundle_module *module = &bundle->modules[i];

        if (module->is_file == is_file && slice_is(slice_of(module->name), name))
            return module;
    }
    return NULL;
}

void bundle_add(struct bundle *bundle, struct slice name, const char *path, bool is_file,
                struct slice text)
{
    size_t bytes = (bundle->count + 1) * sizeof *bundle->modules;

    if (bundle_find(bundle, name, is_file) != NULL)
        return;
    bundle->modules = mem_realloc(bundle->modules, bytes);
    bundle->modules[bundle->count++] =
        (struct bundle_module){.name = mem_copy(name.start, name.length),
                               .path = mem_copy_text(path),
                               .text = mem_copy(text.start, text.length),
                               .bytes = text.length,
                               .is_file = is_file};
}

/* --- as bytes: each module is four parts, each part its length and what it has --- */

static void write_part(struct buffer *out, struct slice part)
{
    uint64_t length = part.length;

    buffer_append(out, (struct slice){(const char *)&length, sizeof length});
    buffer_append(out, part);
}

void bundle_write(const struct bundle *bundle, struct buffer *out)
{
    for (unsigned i = 0; i < bundle->count; i++) {
        const struct bundle_module *module = &bundle->modules[i];

        write_part(out, slice_of(module->name));
        write_part(out, slice_of(module->path));
        write_part(out, module->is_file ? SLICE("f") : SLICE(""));
        write_part(out, (struct slice){module->text, module->bytes});
    }
}

static bool read_part(struct slice *bytes, struct slice *part)
{
    uint64_t length;

    if (bytes->length < sizeof length)
        return false;
    memcpy(&length, bytes->start, sizeof length);
    *bytes = (struct slice){bytes->start + sizeof length, bytes->length - sizeof length};
    if (length > bytes->length)
        return false;
    *part = (struct slice){bytes->start, length};
    *bytes = slice_from(*bytes, length);
    return true;
}

bool bundle_read(struct bundle *bundle, struct slice bytes)
{
    while (bytes.length > 0) {
        struct slice name, path, is_file, text;
        char *path_text;

        if (!read_part(&bytes, &name) || !read_part(&bytes, &path) ||
            !read_part(&bytes, &is_file) || !read_part(&bytes, &text)) {
            bundle_dispose(bundle);
            return false;
        }
        path_text = mem_copy(path.start, path.length);
        bundle_add(bundle, name, path_text, is_file.length > 0, text);
        mem_free(path_text);
    }
    return true;
}
