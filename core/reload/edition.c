#include "reload/edition.h"

#include "base/mem.h"
#include "config/admin.h"
#include "config/certificates.h"
#include "config/load.h"
#include "config/output.h"
#include "config/sites.h"
#include "config/tls.h"
#include "shared/slots.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static void *map_shared(size_t bytes)
{
    void *mapping = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return mapping == MAP_FAILED ? NULL : mapping;
}

static bool open_vaults(struct edition *e, bool has_many)
{
    size_t bytes = has_many ? CERTIFICATES_BYTES_MAX : CERTIFICATES_FEW_BYTES_MAX;

    return vault_open(&e->texts[0].certificates, bytes) &&
           vault_open(&e->texts[1].certificates, bytes) &&
           vault_open(&e->draft.certificates, bytes);
}

struct edition *edition_new(bool has_many_certificates)
{
    struct edition *e = map_shared(sizeof *e);

    if (e == NULL)
        return NULL;
    e->answers = map_shared(sizeof *e->answers);
    if (e->answers == NULL || !open_vaults(e, has_many_certificates)) {
        edition_free(e);
        return NULL;
    }
    atomic_store(&e->current, EDITION_FIRST);
    atomic_store(&e->offered, EDITION_FIRST);
    e->texts[EDITION_FIRST % 2].is_first = true; /* even if it is too large to be kept */
    return e;
}

void edition_free(struct edition *e)
{
    if (e == NULL)
        return;
    if (e->answers != NULL)
        munmap(e->answers, sizeof *e->answers);
    vault_close(&e->texts[0].certificates);
    vault_close(&e->texts[1].certificates);
    vault_close(&e->draft.certificates);
    munmap(e, sizeof *e);
}

void edition_only_read(struct edition *e)
{
    vault_seal(&e->texts[0].certificates);
    vault_seal(&e->texts[1].certificates);
    vault_seal(&e->draft.certificates);
    CHECK(mprotect(e, sizeof *e, PROT_READ) == 0);
}

/* --- the draft --- */

/* A script of plain values. Without backends it needs a choose. */
static void write_settings(const struct config *config, struct buffer *out)
{
    static const char last_line[] = "}\n";

    config_print(config, out);
    if (!config->has_choose)
        return;
    out->end -= sizeof last_line - 1;
    buffer_append_text(out, "  choose = function() end,\n");
    buffer_append_text(out, last_line);
}

static void copy_what_is_not_printed(struct config *to, const struct config *from)
{
    to->health.type = from->health.type;
    to->has_init = from->has_init;
    to->has_choose = from->has_choose;
    to->has_on_failure = from->has_on_failure;
    to->has_on_response = from->has_on_response;
    to->has_on_done = from->has_on_done;
    to->has_on_health = from->has_on_health;
    to->has_once_timers = from->has_once_timers;
    to->admin = from->admin;
    to->drain = from->drain; /* it is printed, but the supervisor reads no settings */
    to->tracing = from->tracing;
}

/* It takes the place of what is there. */
static bool put_certificates(struct vault *vault, struct slice files)
{
    vault_wipe(vault);
    return vault_append(vault, files);
}

static bool put(char *room, size_t room_bytes, struct slice text, uint32_t *bytes)
{
    if (text.length > room_bytes)
        return false;
    memcpy(room, text.start, text.length);
    *bytes = (uint32_t)text.length;
    return true;
}

bool edition_draft(struct edition *e, const struct config *config, struct buffer *error)
{
    struct edition_text *draft = &e->draft;
    struct buffer settings = {0}, modules = {0};
    bool fits;

    write_settings(config, &settings);
    bundle_write(&config->modules, &modules);
    fits =
        put(draft->settings, EDITION_SETTINGS_BYTES, buffer_slice(&settings),
            &draft->settings_bytes) &&
        put(draft->script, EDITION_SCRIPT_BYTES,
            (struct slice){config->script, config->script_bytes}, &draft->script_bytes) &&
        put(draft->modules, EDITION_MODULES_BYTES, buffer_slice(&modules), &draft->modules_bytes) &&
        put_certificates(&draft->certificates, config->tls.files);
    buffer_dispose(&settings);
    buffer_dispose(&modules);
    if (!fits) {
        buffer_printf(error, "%s: it is too large to be loaded while lb runs", config->script_path);
        return false;
    }
    copy_what_is_not_printed(&draft->about, config);
    draft->backends = config->backends_count;
    for (unsigned i = 0; i < draft->backends; i++) {
        draft->identities[i] =
            slots_identity(config->backends[i].name, config->backends[i].written);
        admin_describe(config, i, &draft->roster[i]);
    }
    return true;
}

void edition_call_the_roll(const struct edition_text *text, struct segment *segment)
{
    for (unsigned i = 0; i < text->backends; i++)
        roster_put(segment, text->slots[i], &text->roster[i]);
}

void edition_call_the_first(const struct config *first, struct segment *segment)
{
    struct roster_entry entry;

    for (unsigned i = 0; i < first->backends_count; i++) {
        admin_describe(first, i, &entry);
        roster_put(segment, first->backends[i].slot, &entry);
    }
}

/* --- the editions --- */

void edition_keep(struct edition *e, uint64_t number)
{
    struct edition_text *text = &e->texts[number % 2];
    struct edition_text *draft = &e->draft;

    CHECK(put_certificates(&text->certificates, vault_slice(&draft->certificates)));
    vault_wipe(&draft->certificates);
    memcpy(text, draft, offsetof(struct edition_text, settings));
    memcpy(text->settings, draft->settings, draft->settings_bytes);
    memcpy(text->script, draft->script, draft->script_bytes);
    memcpy(text->modules, draft->modules, draft->modules_bytes);
    memcpy(text->roster, draft->roster, draft->backends * sizeof *draft->roster);
    text->is_first = number == EDITION_FIRST;
}

void edition_offer(struct edition *e)
{
    uint64_t next = atomic_load(&e->current) + 1;

    edition_keep(e, next);
    atomic_store(&e->offered, next);
}

const struct config *edition_about(const struct edition *e, const struct config *first)
{
    return edition_is_first(e, atomic_load(&e->current)) ? first : &edition_current(e)->about;
}

const struct edition_text *edition_current(const struct edition *e)
{
    return &e->texts[atomic_load(&e->current) % 2];
}

void edition_follow(struct edition *e)
{
    atomic_store(&e->answers->refused, 0);
    atomic_store(&e->answers->refusing, 0);
    atomic_store(&e->turn, 0);
    atomic_store(&e->current, atomic_load(&e->offered));
}

void edition_allow(struct edition *e, unsigned workers)
{
    atomic_store(&e->turn, workers);
}

bool edition_may_load(const struct edition *e, unsigned worker)
{
    return worker < atomic_load(&e->turn);
}

/* The texts take turns: that of the one before has the place of the next one. */
void edition_take_back(struct edition *e)
{
    uint64_t wrong = atomic_load(&e->current);

    atomic_store(&e->taken_back, wrong);
    atomic_store(&e->offered, wrong + 1);
    edition_follow(e);
}

void edition_refuse(struct edition *e, uint64_t number, const char *why)
{
    struct edition_answers *answers = e->answers;

    if (atomic_load(&e->current) != number || atomic_exchange(&answers->refusing, 1) != 0)
        return;
    snprintf(answers->refusal, sizeof answers->refusal, "%s", why);
    atomic_store(&answers->refused, number);
}

const char *edition_refusal(const struct edition *e)
{
    const struct edition_answers *answers = e->answers;

    return atomic_load(&answers->refused) == atomic_load(&e->current) ? answers->refusal : NULL;
}

bool edition_is_first(const struct edition *e, uint64_t number)
{
    return e->texts[number % 2].is_first;
}

bool edition_is_again(const struct edition *e, uint64_t number, uint64_t earlier)
{
    return earlier + 2 == number && atomic_load(&e->taken_back) == number - 1;
}

bool edition_has_new_files(const struct edition *e, uint64_t number, uint64_t earlier)
{
    return earlier + 1 == number && e->texts[number % 2].has_new_files &&
           atomic_load(&e->taken_back) != earlier; /* then it is one of long ago */
}

void edition_take_files(const struct edition *e, uint64_t number, struct config *config)
{
    config->tls.files = vault_slice(&e->texts[number % 2].certificates);
    if (tls_is_used(config))
        sites_make(&config->tls);
}

struct config *edition_load(const struct edition *e, uint64_t number, const struct config *first,
                            struct segment *segment, struct buffer *error)
{
    const struct edition_text *text = &e->texts[number % 2];
    struct config *config =
        config_load_text(first->script_path, edition_settings(text), NULL, segment, error);

    if (config == NULL)
        return NULL;
    CHECK(config->backends_count == text->backends);
    for (unsigned i = 0; i < text->backends; i++)
        config->backends[i].slot = text->slots[i];
    copy_what_is_not_printed(config, &text->about);
    if (text->certificates.length > 0)
        edition_take_files(e, number, config);
    bundle_dispose(&config->modules);
    CHECK(bundle_read(&config->modules, edition_modules(text)));
    mem_free(config->script);
    config->script = mem_copy(text->script, text->script_bytes);
    config->script_bytes = text->script_bytes;
    config->workers = first->workers;
    config->workers_auto = first->workers_auto;
    output_keep(config, first);
    return config;
}
