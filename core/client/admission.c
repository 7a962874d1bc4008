#include "client/admission.h"

#include "shared/clients_by_address.h"

enum {
    REFUSED_MAX = 64,       /* connections that may wait for their 429 */
    REFUSED_WAIT_MS = 2000, /* for so long, unless timeouts want the request sooner */
};

bool admission_trusts(const struct client *c)
{
    const struct config *config = c->clients->config;

    return network_any_has(config->trusted_proxies, config->trusted_proxies_count, &c->peer);
}

/* Trusted proxies speak for many. */
static bool client_is_counted(const struct client *c)
{
    return !c->is_refused && c->state != CLIENT_CLOSING && !admission_trusts(c);
}

/* How many its address has now, or 0 if that is not known. */
static uint32_t client_count(struct client *c)
{
    struct clients *clients = c->clients;
    struct network client;
    uint64_t key;
    uint32_t count;

    network_of_client(&client, &c->peer);
    key = clients_by_address_key(clients->segment, client.address);
    count = clients_by_address_add(clients->segment, clients->worker, key);
    c->counted_as = count > 0 ? key : 0;
    return count;
}

void admission_leave(struct client *c)
{
    if (c->counted_as != 0)
        clients_by_address_remove(c->clients->segment, c->clients->worker, c->counted_as);
    c->counted_as = 0;
}

void admission_count(struct client *c)
{
    if (c->counted_as == 0 && client_is_counted(c))
        client_count(c);
}

/* --- requests --- */

/* Requests are counted apart from connections. */
static uint64_t client_request_key(const struct client *c)
{
    const uint64_t apart = 0x9e3779b97f4a7c15u;
    struct network client;
    uint64_t key;

    network_of_client(&client, &c->peer);
    key = clients_by_address_key(c->clients->segment, client.address) ^ apart;
    return key != 0 ? key : 1;
}

bool admission_weighs_request(struct incoming *in)
{
    struct client *c = in->client;
    struct clients *clients = c->clients;
    const struct config_limits *limits = &clients->config->limits;
    uint32_t age_ms = (uint32_t)loop_now_ms(clients->loop) - c->accepted_ms;
    uint32_t count;

    if (c->h2 == NULL && limits->connection_age_ms > 0 && age_ms >= limits->connection_age_ms)
        in->closes = true;
    if (limits->per_client_requests == 0 || admission_trusts(c))
        return true;
    in->counted_as = client_request_key(c);
    count = clients_by_address_add(clients->segment, clients->worker, in->counted_as);
    if (count == 0) /* there was no room to count it */
        in->counted_as = 0;
    if (count <= limits->per_client_requests)
        return true;
    admission_forget_request(in);
    return false;
}

void admission_forget_request(struct incoming *in)
{
    const struct clients *clients = in->client->clients;

    if (in->counted_as != 0)
        clients_by_address_remove(clients->segment, clients->worker, in->counted_as);
    in->counted_as = 0;
}

/* --- connections --- */

static void clients_log_refused(struct clients *clients, const struct client *c)
{
    uint64_t refused =
        log_interval_count(&clients->refused_log, loop_now_ms(clients->loop), LOG_INTERVAL_MS);
    const char *most = LOG_NUMBER(clients->config->limits.per_client);
    char ip[ADDRESS_HOST_BYTES] = "-";

    if (refused == 0)
        return;
    (void)address_host_in(ip, (const struct sockaddr *)&c->peer);
    log_event(LOG_WARN, "client_refused",
              LOG_PAIRS({"client", ip}, {"#limit", most}, {"#refused", LOG_NUMBER(refused)}),
              "limits.per_client: %s has as many connections as it may, %s: more are refused", ip,
              most);
}

/* If its request arrives soon it gets a 429; only a few connections may wait for that. */
static bool client_may_await_refusal(struct client *c)
{
    struct clients *clients = c->clients;

    clients_log_refused(clients, c);
    if (clients->refused == REFUSED_MAX)
        return false;
    clients->refused++;
    c->is_refused = true;
    if (c->deadline.at_ms > loop_now_ms(clients->loop) + REFUSED_WAIT_MS)
        deadline_set(clients->loop, &c->deadline, REFUSED_WAIT_MS);
    return true;
}

bool admission_admits(struct client *c)
{
    uint64_t most = c->clients->config->limits.per_client;

    if (most == 0 || !client_is_counted(c) || client_count(c) <= most)
        return true;
    admission_leave(c);
    totals_add(TOTALS_REFUSED_PER_CLIENT, 1);
    return client_may_await_refusal(c);
}
