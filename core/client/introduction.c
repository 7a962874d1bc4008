#include "client/introduction.h"

#include "client/admission.h"
#include "net/proxy_header.h"

enum { HEADER_MS = 5000 }; /* in which the header has to be there, from the accept */

/* --- what cannot be served --- */

static void introduction_log(struct client *c, const char *why)
{
    struct clients *clients = c->clients;
    uint64_t refused =
        log_interval_count(&clients->strangers_log, loop_now_ms(clients->loop), LOG_INTERVAL_MS);
    char ip[ADDRESS_HOST_BYTES] = "-";
    struct buffer listener = {0};

    if (refused == 0)
        return;
    (void)address_host_in(ip, (const struct sockaddr *)&c->peer);
    buffer_append(&listener, c->listener->name);
    buffer_append_byte(&listener, '\0');
    log_event(LOG_WARN, "proxy_refused",
              LOG_PAIRS({"client", ip}, {"listener", listener.bytes}, {"why", why},
                        {"#refused", LOG_NUMBER(refused)}),
              "%s, where proxy = true: a connection of %s: %s", listener.bytes, ip, why);
    buffer_dispose(&listener);
}

static void introduction_refuse(struct client *c, const char *why)
{
    introduction_log(c, why);
    totals_add(TOTALS_REFUSED_PROXY_HEADER, 1);
    client_close(c);
}

void introduction_end(struct client *c)
{
    if (early_bytes(c) > 0) /* else it only asked whether somebody listens */
        introduction_log(c, "it ended within its PROXY header");
    client_close(c);
}

void introduction_late(struct client *c)
{
    if (c->clients->is_draining) { /* the client is not to blame */
        client_close(c);
        return;
    }
    introduction_refuse(c, early_bytes(c) > 0 ? "its PROXY header was not complete within 5 s"
                                              : "no PROXY header came within 5 s");
}

/* --- what can --- */

void introduction_begin(struct client *c)
{
    if (!admission_trusts(c)) {
        introduction_refuse(c, "its address is not in trusted_proxies");
        return;
    }
    client_enter(c, CLIENT_INTRODUCTION);
    if (!c->clients->is_draining)
        deadline_set(c->clients->loop, &c->deadline, HEADER_MS);
}

static void introduction_follow(struct client *c, const struct proxy_header *header)
{
    c->is_nameless = !header->names_client;
    admission_leave(c);
    if (header->names_client)
        c->peer = header->client;
    buffer_consume(c->early, header->length);
}

bool introduction_take(struct client *c)
{
    struct proxy_header header;

    switch (proxy_header_read(buffer_slice(c->early), &header)) {
    case PROXY_HEADER_MORE:
        return false;
    case PROXY_HEADER_WRONG:
        introduction_refuse(c, header.why);
        return false;
    case PROXY_HEADER_WHOLE:
        break;
    }
    introduction_follow(c, &header);
    return true;
}
