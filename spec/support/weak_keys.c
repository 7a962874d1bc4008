/*
 * weak_keys - core/net/tls_record.c with an OpenSSL whose HMAC fails when a spec says so.
 */
#include <openssl/evp.h>

static int calls_left = -1; /* before the one that fails; negative: none does */

static int weak_final(EVP_MAC_CTX *context, unsigned char *out, size_t *got, size_t room)
{
    if (calls_left >= 0 && calls_left-- == 0)
        return 0;
    return EVP_MAC_final(context, out, got, room);
}

#define EVP_MAC_final weak_final
#include "net/tls_record.c"

void play_keys_fail(int call)
{
    calls_left = call;
}
