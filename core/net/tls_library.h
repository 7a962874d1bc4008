/*
 * tls_library - the part of OpenSSL that all of net/tls_* share: its memory, its errors, and the
 * one BIO of the process.
 *
 * The BIO reads bytes that net/stream has read from a socket, and writes to a buffer that
 * net/stream sends. So a connection needs no buffers of its own for OpenSSL, and no descriptor.
 */
#ifndef NET_TLS_LIBRARY_H
#define NET_TLS_LIBRARY_H

#include "base/buffer.h"

#include <openssl/bio.h>

struct tls_wire {
    struct slice in;   /* the library reads it next */
    struct buffer out; /* written by the library, not sent yet */
};

extern struct tls_wire tls_wire;

/* OpenSSL allocates with base/mem. Comes before any other call of OpenSSL; twice is fine. */
void tls_library_count_memory(void);
const char *tls_library_version(void); /* of the linked one: "OpenSSL 3.0.19 27 Jan 2026" */
/* One more reference to the BIO, to be given to an SSL. NULL: there is no memory for it. */
BIO *tls_library_bio(void);
/* From begin to end OpenSSL gets no memory while memory is full; then its call fails. */
void tls_library_begin_bounded(void);
void tls_library_end_bounded(void);
bool tls_library_lacked_memory(void); /* OpenSSL was refused memory since the last begin */
/* From begin to end each block that OpenSSL frees is wiped: it decodes private keys. */
void tls_library_begin_secret(void);
void tls_library_end_secret(void);
/* Comes before each call whose error matters: an old error would look like a new one. */
void tls_library_forget_errors(void);
/* The last error, as a static text. Forgets it. */
const char *tls_library_why(void);

#endif
