/*
 * sealing - core/net/tls.c with a connection that is open, for specs of how its bytes are sealed.
 */
#include "base/mem.h"
#include "net/tls.h"
#include "net/tls_library.h"

#include <openssl/ssl.h>

static struct tls *sealing;

void play_sealing_begin(uint16_t suite, const uint8_t *secret)
{
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    SSL *ssl = SSL_new(context);

    sealing = mem_zalloc(sizeof *sealing);
    sealing->own = tls_own_new(ssl);
    CHECK(tls_keys_set(&sealing->own->in, suite, secret) &&
          tls_keys_set(&sealing->own->out, suite, secret));
    sealing->state = TLS_OPEN;
    SSL_free(ssl);
    SSL_CTX_free(context);
}

/* The lengths of the records that such parts of so many bytes become, until none is left; 0 at the
 * end. */
unsigned play_sealing(const unsigned *lengths, unsigned count, uint64_t now_ms, unsigned *records)
{
    static char bytes[1 << 20];
    uv_buf_t list[16];
    struct tls_parts parts = {.part = list};
    unsigned found = 0;

    CHECK(count <= 16);
    for (unsigned i = 0; i < count; i++) {
        list[i] = uv_buf_init(bytes, lengths[i]);
        parts.left_bytes += lengths[i];
    }
    while (parts.left_bytes > 0) {
        struct slice sealed;

        CHECK(tls_seal(sealing, &parts, now_ms));
        for (sealed = tls_sealed(); sealed.length > 0;) {
            const struct tls_flaw *flaw;
            size_t length = tls_record_measure(sealed, &flaw);

            CHECK(flaw == NULL && length > 0 && length <= sealed.length);
            records[found++] = (unsigned)(length - TLS_RECORD_MORE_BYTES);
            sealed.start += length;
            sealed.length -= length;
        }
        tls_sealed_sent();
    }
    return found;
}

void play_sealing_end(void)
{
    tls_own_free(sealing->own);
    mem_free(sealing);
}
