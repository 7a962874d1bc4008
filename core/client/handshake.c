/*
 * A client that is refused gets an alert, or an HTTP reply if it speaks HTTP. What it still sends
 * is read and dropped for a moment: a reset would destroy the alert or the reply on its way.
 */
#include "client/handshake.h"

#include "net/tls_hello.h"

#include <stdio.h>

enum {
    LINGER_MS = 2000,
    CROWD_LEAST_MS = 300, /* an honest client can answer in this time */
};

static const char *refused(const struct tls_server *server, enum tls_refusal reason,
                           char room[LOG_NUMBER_BYTES])
{
    return log_number(room, server->refused[reason]);
}

#define REFUSED(server, reason) refused(server, TLS_REFUSED_##reason, (char[LOG_NUMBER_BYTES]){0})

static void handshake_tell(const struct client *c)
{
    struct clients *clients = c->clients;
    struct tls_server *server = &clients->tls;
    const struct slice listener = c->listener->name;
    const struct slice name = c->stream.tls->said.name; /* a host name, 253 bytes at most */
    const char *why = c->stream.tls->why;
    char asked[TLS_HELLO_NAME_BYTES + 1];
    char ip[ADDRESS_HOST_BYTES] = "-";

    if (log_interval_count(&clients->tls_log, loop_now_ms(clients->loop), LOG_INTERVAL_MS) == 0)
        return;
    (void)address_host_in(ip, (const struct sockaddr *)&c->peer);
    snprintf(asked, sizeof asked, "%.*s", (int)name.length, name.start);
    log_event(
        LOG_INFO, "tls_refused",
        LOG_PAIRS({"client", ip}, {"why", why}, {"asked", asked}, {"#http", REFUSED(server, HTTP)},
                  {"#hello", REFUSED(server, HELLO)}, {"#name", REFUSED(server, NAME)},
                  {"#handshake", REFUSED(server, HANDSHAKE)}, {"#late", REFUSED(server, LATE)},
                  {"#crowd", REFUSED(server, CROWD)}, {"#memory", REFUSED(server, MEMORY)}),
        "%.*s: no TLS with %s%s%s: %s", (int)listener.length, listener.start, ip,
        asked[0] != '\0' ? " for " : "", asked, why);
    memset(server->refused, 0, sizeof server->refused);
}

void handshake_refuse(struct client *c)
{
    handshake_tell(c);
    stream_shutdown(&c->stream);
    deadline_set(c->clients->loop, &c->deadline, LINGER_MS);
}

static void handshake_give_up(struct client *c, enum tls_refusal reason, const char *why)
{
    tls_handshake_refuse(c->stream.tls, reason, why);
    handshake_tell(c);
    client_close(c);
}

void handshake_late(struct client *c)
{
    if (c->stream.tls->refusal != TLS_REFUSED_NOT || c->clients->is_draining || c->is_refused)
        client_close(c); /* it was refused before, or the client is not to blame */
    else
        handshake_give_up(c, TLS_REFUSED_LATE, "not complete within timeouts.tls_handshake");
}

void handshake_begin(struct client *c)
{
    struct clients *clients = c->clients;

    client_enter(c, CLIENT_HANDSHAKE);
    if (!clients->is_draining && !c->is_refused)
        deadline_set(clients->loop, &c->deadline, clients->timeouts.tls_handshake_ms);
    stream_secure(&c->stream, &clients->tls,
                  c->early != NULL ? buffer_slice(c->early) : (struct slice){"", 0});
    early_drop(c);
}

bool handshake_give_up_first(struct clients *clients)
{
    struct list_node *first = clients->tls.unfinished.next;
    struct client *c;

    if (first == &clients->tls.unfinished)
        return false;
    c = list_entry(list_entry(first, struct tls, unfinished)->owner, struct client, stream);
    if ((uint32_t)loop_now_ms(clients->loop) - c->rested_ms < CROWD_LEAST_MS)
        return false;
    handshake_give_up(c, TLS_REFUSED_CROWD, "too many have not finished theirs");
    return true;
}
