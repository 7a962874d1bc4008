/*
 * address - where something listens, as text and as the kernel takes it.
 *
 * "host:port", "[v6]:port", "unix:/path"; an optional "http://" in front.
 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include "base/buffer.h"
#include "base/check.h"
#include "base/slice.h"

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { ADDRESS_HOST_BYTES = INET6_ADDRSTRLEN };

enum address_kind {
    ADDRESS_IP,   /* sockaddr is ready for use */
    ADDRESS_UNIX, /* so it is here */
    ADDRESS_NAME, /* has to be resolved; host and port say what */
};

struct address {
    enum address_kind kind;
    char host[256]; /* without brackets; the path for ADDRESS_UNIX */
    uint16_t port;  /* 0 for ADDRESS_UNIX */
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un path;
    } socket; /* undefined for ADDRESS_NAME */
};

/* Fills *out from the text. NULL, or what is wrong with it, in words
 * ("expected host:port"); the words are static. A port of 0 is an error unless
 * any_port is true. */
const char *address_parse(struct address *out, struct slice text, bool any_port) MUST_USE;

/* An IP address, with a port or without: "10.0.0.2", "::1", "[::1]:5353". False: it is none. *out
 * is a sockaddr_in or a sockaddr_in6. */
bool address_parse_ip(struct sockaddr_in6 *out, struct slice text, uint16_t port) MUST_USE;

socklen_t address_length(const struct sockaddr *);                  /* of any kind */
void address_format(struct buffer *, const struct sockaddr *);      /* "1.2.3.4:80", "[::1]:80" */
void address_format_host(struct buffer *, const struct sockaddr *); /* "1.2.3.4", "::1" */
/* The same in the room; empty if the address is not IP. Cheaper than inet_ntop, as each request
 * has a client. */
struct slice address_host_in(char room[ADDRESS_HOST_BYTES], const struct sockaddr *);
uint16_t address_port(const struct sockaddr *); /* 0 if it has none */
void address_set_port(struct sockaddr *, uint16_t port);

#endif
