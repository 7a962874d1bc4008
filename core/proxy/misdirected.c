#include "proxy/misdirected.h"

/* An unknown host belongs to the first site, as in a handshake; so does a request without a host
 * (HTTP/1.0). */
bool misdirected_is(const struct config_tls *tls, struct facts_request *facts)
{
    int site;

    if (tls->clients_count == 0 || facts->tls == NULL)
        return false;
    site = tls_names_find(&tls->names, *context_host(facts));
    return site == TLS_NAMES_NONE || tls->rules[site].client.id != facts->tls->client_rules;
}
