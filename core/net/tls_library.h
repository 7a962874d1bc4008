/*
 * tls_library - what all of net/tls_* have of OpenSSL together: its memory, its errors, and the one
 * BIO of the process.
 *
 * The BIO reads what somebody else has read from a socket, and writes to one buffer that somebody
 * else sends. So a connection needs no buffers of its own for that, and no descriptor.
 */
#ifndef NET_TLS_LIBRARY_H
#define NET_TLS_LIBRARY_H

#include "base/buffer.h"

#include <openssl/bio.h>

struct tls_wire {
    struct slice in;   /* is read next */
    struct buffer out; /* was written, and was not sent yet */
};

extern struct tls_wire tls_wire;

/* OpenSSL's memory is mem's; before anything else of it is used, twice is fine. */
void tls_library_count_memory(void);
const char *tls_library_version(void); /* "OpenSSL 3.0.19 27 Jan 2026", of the one that is linked */
/* One reference more to the BIO, for who gives it to an SSL. NULL: there is no memory for it. */
BIO *tls_library_bio(void);
/* Until the end: OpenSSL gets no memory while memory is full, which ends what it does. */
void tls_library_begin_bounded(void);
void tls_library_end_bounded(void);
bool tls_library_lacked_memory(void); /* since the last beginning: it got none for once */
/* Until the end: what OpenSSL gives back is wiped, as it decodes private keys. */
void tls_library_begin_secret(void);
void tls_library_end_secret(void);
/* Before each call whose failure is asked for: an old error would be taken for a new one. */
void tls_library_forget_errors(void);
/* Of the last failure, in static words. Forgets it. */
const char *tls_library_why(void);

#endif
