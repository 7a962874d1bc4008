#include "config/elsewhere.h"

#include <stddef.h>

#define BACKENDS "write backends = { \"host:port\", .. }"
#define LISTEN   "write listen = \":80\""
#define CHOOSE   "the script chooses, as in return require \"least_in_flight\" { backends = .. }"
#define CLIENTS  "write limits = { connections = .. }, or max_in_flight of a backend"
#define HEALTH   "write health = { type = \"http\", path = \"/\" }"
#define RETRIES  "write limits = { attempts = .. }; on_failure says what is tried again"
#define TLS      "lb has no TLS: put a proxy that has it in front, and name it in trusted_proxies"

static const struct {
    const char *name, *instead;
} names[] = {
    {"server", BACKENDS},
    {"servers", BACKENDS},
    {"upstream", BACKENDS},
    {"upstreams", BACKENDS},
    {"bind", LISTEN},
    {"port", LISTEN},
    {"balance", CHOOSE},
    {"algorithm", CHOOSE},
    {"maxconn", CLIENTS},
    {"health_check", HEALTH},
    {"healthcheck", HEALTH},
    {"retries", RETRIES},
    {"ssl", TLS},
    {"tls", TLS},
};

void elsewhere_check(struct fields *root)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (fields_type(root, names[i].name, 0) != FIELDS_NOTHING)
            fields_fail(root, names[i].name, 0, "this is no setting of lb: %s", names[i].instead);
}
