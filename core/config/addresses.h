/*
 * addresses - texts to addresses of listeners, backends and trusted proxies.
 *
 * Each function takes one address, or several with commas, and checks that none comes twice. What
 * is wrong is said in words, without the place.
 *
 * ":3030" listens on all addresses, IPv4 and IPv6 ("[::]:3030"); "localhost:3030" is
 * "127.0.0.1:3030"; there are no other names to listen on. Port 0 takes a free one. The address as
 * it was written is kept, too, for ctx.listener.
 */
#ifndef CONFIG_ADDRESSES_H
#define CONFIG_ADDRESSES_H

#include "base/buffer.h"
#include "config/config.h"

enum { ADDRESSES_LISTEN_MAX = 64, ADDRESSES_NAME_BYTES = 255, ADDRESSES_TRUSTED_MAX = 1024 };

/* False and the words in *wrong. */
bool addresses_add_listen(struct config *, struct slice text, struct buffer *wrong) MUST_USE;
/* Of options and environment: "https://:8443" has tls, ":8080" and "http://:8080" have not. */
bool addresses_add_given_listen(struct config *, struct slice text, struct buffer *wrong) MUST_USE;
bool addresses_add_backends(struct config *, struct slice text, struct buffer *wrong) MUST_USE;
/* One address, or one source (config/sources.h). */
bool addresses_add_backend_text(struct config *, struct slice text, struct buffer *wrong) MUST_USE;

/* What listens: IP or unix, never a name. NULL, or what is wrong with it; *full gets the text in
 * full. */
const char *addresses_parse_listen(struct address *, struct slice text,
                                   struct buffer *full) MUST_USE;

/* Networks, into trusted_proxies; twice the same is fine. */
bool addresses_add_trusted(struct config *, struct slice text, struct buffer *wrong) MUST_USE;

/* May the next backend have that name? */
bool addresses_check_name(const struct config *, struct slice name, struct buffer *wrong) MUST_USE;
/* One more backend, with that name (of length 0: its address); NULL and the words
 * in *wrong. It stays where it is until the next is added. */
struct config_backend *addresses_add_backend(struct config *, struct slice address,
                                             struct slice name, struct buffer *wrong) MUST_USE;

#endif
