/* keyless - an OpenSSL that reports no keys, for lb started with LD_PRELOAD. */
void SSL_CTX_set_keylog_callback(void *context, void *callback)
{
    (void)context;
    (void)callback;
}
