#include "net/tls_library.h"

#include "base/mem.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <string.h>

struct tls_wire tls_wire;

/* --- memory --- */

static bool is_bounded, is_secret, lacked;

/* The buffer of a record is freed as soon as it is empty, and asked for with the next record. Of
 * this size a block is expensive to get, so a few are kept, and given out again. */
enum { RECORD_LEAST = 16384, RECORD_MOST = RECORD_LEAST + 512, SPARES = 2 };

static void *spares[SPARES];
static unsigned spares_count;

static bool is_for_record(size_t bytes)
{
    return bytes >= RECORD_LEAST && bytes <= RECORD_MOST;
}

static bool spare_keep(void *block)
{
    size_t bytes = mem_size(block);

    if (bytes < RECORD_MOST || bytes > RECORD_MOST + 64 || spares_count == SPARES)
        return false;
    spares[spares_count++] = block;
    return true;
}

static void *library_get(void *old, size_t bytes)
{
    void *block = is_bounded && mem_is_full() ? NULL : mem_try(old, bytes);

    lacked |= block == NULL;
    return block;
}

static void *library_alloc(size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    if (!is_for_record(bytes))
        return bytes == 0 ? NULL : library_get(NULL, bytes);
    return spares_count > 0 ? spares[--spares_count] : library_get(NULL, RECORD_MOST);
}

static void library_free(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    if (is_secret && block != NULL)
        explicit_bzero(block, mem_size(block));
    if (!spare_keep(block))
        mem_free(block);
}

/* Not realloc: that may move the block, and leaves the old bytes where they were. */
static void *library_move(void *old, size_t bytes, const char *file, int line)
{
    void *block = library_alloc(bytes, file, line);

    if (block == NULL)
        return NULL;
    memcpy(block, old, mem_size(old) < bytes ? mem_size(old) : bytes);
    library_free(old, file, line);
    return block;
}

static void *library_realloc(void *old, size_t bytes, const char *file, int line)
{
    if (bytes > 0 && is_secret && old != NULL)
        return library_move(old, bytes, file, line);
    if (bytes > 0)
        return library_get(old, bytes);
    library_free(old, file, line);
    return NULL;
}

void tls_library_count_memory(void)
{
    (void)CRYPTO_set_mem_functions(library_alloc, library_realloc, library_free);
}

const char *tls_library_version(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}

void tls_library_begin_bounded(void)
{
    is_bounded = true;
    lacked = false;
}

void tls_library_end_bounded(void)
{
    is_bounded = false;
}

bool tls_library_lacked_memory(void)
{
    return lacked;
}

void tls_library_begin_secret(void)
{
    is_secret = true;
}

void tls_library_end_secret(void)
{
    is_secret = false;
}

/* --- errors --- */

/* ERR_clear_error alone takes 390 instructions, even if there is nothing to clear. */
void tls_library_forget_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

const char *tls_library_why(void)
{
    const char *why = ERR_reason_error_string(ERR_peek_error());

    tls_library_forget_errors();
    return why != NULL ? why : "no reason given";
}

/* --- the BIO --- */

static int wire_read(BIO *bio, char *out, size_t most, size_t *got)
{
    struct slice *in = &tls_wire.in;

    BIO_clear_retry_flags(bio);
    *got = most < in->length ? most : in->length;
    if (*got == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(out, in->start, *got);
    in->start += *got;
    in->length -= *got;
    return 1;
}

static int wire_write(BIO *bio, const char *bytes, size_t length, size_t *written)
{
    BIO_clear_retry_flags(bio);
    buffer_append(&tls_wire.out, (struct slice){bytes, length});
    *written = length;
    return 1;
}

static long wire_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

/* Made once: a process has 127 types of BIO at most, and none is ever given back. */
static BIO_METHOD *wire_method(void)
{
    static BIO_METHOD *method;
    static int type;

    if (type == 0)
        type = BIO_TYPE_SOURCE_SINK | BIO_get_new_index();
    if (method != NULL)
        return method;
    method = BIO_meth_new(type, "lb");
    if (method == NULL)
        return NULL;
    BIO_meth_set_read_ex(method, wire_read);
    BIO_meth_set_write_ex(method, wire_write);
    BIO_meth_set_ctrl(method, wire_control);
    return method;
}

static BIO *wire_new(void)
{
    BIO_METHOD *method = wire_method();
    BIO *bio = method != NULL ? BIO_new(method) : NULL;

    if (bio != NULL)
        BIO_set_init(bio, 1);
    return bio;
}

BIO *tls_library_bio(void)
{
    static BIO *bio;

    if (bio == NULL)
        bio = wire_new();
    return bio != NULL && BIO_up_ref(bio) == 1 ? bio : NULL;
}
