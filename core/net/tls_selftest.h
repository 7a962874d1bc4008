/*
 * tls_selftest - do records of our own (net/tls_own) fit this OpenSSL?
 *
 * In memory a client of OpenSSL shakes hands with a server of OpenSSL. Then records go both ways,
 * which lb makes in the server's place, with each suite that the two agree on. It takes a few
 * milliseconds, once: forked processes know the result.
 */
#ifndef NET_TLS_SELFTEST_H
#define NET_TLS_SELFTEST_H

/* NULL: they do. Else why not, a static text: OpenSSL makes the records. */
const char *tls_selftest_why(void);

#endif
