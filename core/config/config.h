/*
 * config - the settings of a balancer, as plain data.
 *
 * Filled by config/load from balancer.lua, the environment and the options,
 * checked there once; every process reads its own inherited copy and changes
 * nothing. Times are milliseconds here (seconds in the script).
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/buffer.h"
#include "base/vault.h"
#include "lua/bundle.h"
#include "net/address.h"
#include "net/network.h"
#include "net/tls_remote.h"
#include "net/tls_sites.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config_pair {
    char *name, *value;
};

struct config_pairs {
    struct config_pair *list;
    unsigned count;
};

enum config_scheme { CONFIG_HTTP, CONFIG_HTTPS, CONFIG_H2C, CONFIG_H2 };
extern const char *const config_scheme_names[]; /* "http" */

struct config_backend {
    char *name; /* unique; the address as it was written, if no name was given */
    /* The address as it was written, without "http://", with any other scheme. */
    char *written;
    const char *text; /* the same without any scheme, in `written` */
    struct address address;
    enum config_scheme scheme;
    unsigned remote; /* which of tls.remotes, if the scheme has TLS, */
    char *tls_name;  /* and what its certificate has to be for; "": it does not matter */
    unsigned slot;   /* where it is on the board, and in segment->shares: not its index here */
    uint32_t weight; /* 1 unless given; to 65535; 0: it gets no new requests */
    uint32_t max_in_flight; /* 0: no limit */
    uint32_t priority;      /* of one that a source has found */
    struct config_pairs tags;
};

/* Where backends come from besides: "dns:app.internal:8080" (config/sources.h). */
struct config_source {
    char *text; /* as it was written */
};

struct config_discovery {
    uint64_t interval_ms; /* between two calls of a function */
    uint32_t min, confirm;
    double max_drop;
    uint64_t drain_ms, ttl_min_ms, ttl_max_ms;
    struct network *allow; /* none: all but link-local ones */
    unsigned allow_count;
    struct sockaddr_in6 *servers; /* of DNS, or a sockaddr_in; none: those of resolv.conf */
    unsigned servers_count;
};

struct config_listen {
    char *written;          /* the address as it was written: what scripts know it by */
    char *text;             /* in full: "[::]:3030" where ":3030" was written */
    struct address address; /* never ADDRESS_NAME, never ADDRESS_UNIX */
    bool proxy;             /* each connection begins with a PROXY header */
    bool tls;               /* each connection begins with a TLS handshake */
    bool h2c;               /* without TLS: a connection may begin with HTTP/2's preface */
};

/* A certificate as the script names it. */
struct config_certificate {
    char *cert; /* the path of the chain, the site's own first; without a key it may be a pattern */
    char *key;  /* the path; NULL: the key is in the same file */
};

/* What the clients of a site have to show. */
struct config_tls_client {
    char *site; /* a name of a certificate, or below its wildcard; NULL: all other sites */
    enum tls_verify verify;
    char *ca, *crl; /* paths; crl may be NULL; both may if nothing is verified */
    unsigned depth; /* 0: the library's limit */
    bool forward;   /* the certificate, to backends */
};

/* What a backend over TLS has to show, and what lb shows it. */
struct config_remote {
    char *ca, *cert, *key; /* paths, or NULL. ca: the system's; key: in the file of cert */
    bool verify;
    unsigned backend; /* the first one that says so: its index */
};

/* Who makes the records of TLS 1.3 after the handshake with a client. */
enum config_records { CONFIG_RECORDS_OWN, CONFIG_RECORDS_OPENSSL };

struct config_tls { /* in use if a listener has tls, but for remotes and files */
    struct config_certificate *certificates;
    unsigned certificates_count;
    struct config_tls_client *clients; /* the first may be for all other sites */
    unsigned clients_count;
    struct config_remote *remotes; /* of backends: config/remotes.h */
    unsigned remotes_count;
    enum tls_version min_version;
    enum tls_alpn alpn;
    char *ciphers, *groups; /* in OpenSSL's notation; NULL: ours (net/tls_site.h) */
    unsigned tickets;
    char *ticket_keys; /* the path of their keys' file; NULL: lb makes them */
    enum config_records records;
    struct slice
        files; /* what was read of them: config/certificates.h; in the vault, or borrowed */
    struct vault vault;
    struct tls_names names; /* of the sites; has the setting `strict` */
    struct tls_site_rules *rules;
    struct tls_sites_rules sites; /* count 0: nothing was read */
};

enum {
    CONFIG_STATUS_MIN = 100,
    CONFIG_STATUS_MAX = 599,
    CONFIG_MEMORY_PART_MIN = 4 << 20, /* less is not worth a worker */
};

/* CONFIG_HEALTH_LUA: the script's function says. */
enum config_health_type {
    CONFIG_HEALTH_TCP,
    CONFIG_HEALTH_HTTP,
    CONFIG_HEALTH_GRPC,
    CONFIG_HEALTH_LUA,
};

struct config_page { /* what a client gets with a status of our own */
    unsigned status; /* 400 to 599 */
    char *type;      /* Content-Type */
    char *body;      /* NULL, and no type: the body that we write without a page */
    size_t body_bytes;
    struct config_pairs headers; /* sorted, each once; they win over the fields of all pages */
};

/* If the script sets none, it is FAIL if the script calls ctx:reject anywhere: such a script guards
 * something, and must not let all requests pass when it fails. */
enum config_fallback { CONFIG_FALLBACK_ROUND_ROBIN, CONFIG_FALLBACK_FAIL };

/* Whether a request's body, up to limits.replay, is taken before choose is asked. LIMITED: if a
 * backend has max_in_flight, as a slow client would hold its places. */
enum config_body_first {
    CONFIG_BODY_FIRST_NEVER,
    CONFIG_BODY_FIRST_LIMITED,
    CONFIG_BODY_FIRST_ALWAYS
};

/* Which clients' connections are served by a connection to a backend that has carried a request's
 * body: only of the client that sent it, or of all. */
enum config_reuse { CONFIG_REUSE_SAFE, CONFIG_REUSE_ALL };

enum { CONFIG_HEALTH_SERVICE_MAX = 255 };

struct config_health {
    uint64_t interval_ms, timeout_ms;
    uint32_t rise, fall;
    uint32_t eject_after; /* failures of real traffic in a row; 0: never */
    uint64_t eject_for_ms;
    uint64_t slow_start_ms; /* over which a backend that came back gets its weight; 0: at once */
    double panic;           /* below this fraction of available backends all are tried; 0: never */
    enum config_health_type type;
    char *path;    /* of an http check: "/" unless given; a target in origin form */
    char *service; /* of a grpc check: may be empty, which is the server as a whole */
    char *host;    /* what its Host says; NULL: the backend's address as it was written */
    /* A bit per status that means healthy, from CONFIG_STATUS_MIN: 200 to 299 unless given. */
    uint8_t status[(CONFIG_STATUS_MAX - CONFIG_STATUS_MIN) / 8 + 1];
};

struct config_timeouts {
    uint64_t connect_ms;
    uint64_t request_head_ms; /* from its first byte */
    uint64_t request_body_ms; /* between bytes */
    uint64_t response_head_ms;
    uint64_t response_body_ms; /* between bytes */
    uint64_t keep_alive_ms;    /* idle client */
    uint64_t upstream_idle_ms;
    uint64_t request_ms;       /* over all tries; 0: none */
    uint64_t queue_ms;         /* until a backend has room */
    uint64_t tunnel_ms;        /* without a byte in either direction, after an upgrade */
    uint64_t tls_handshake_ms; /* from the beginning of the connection */
};

struct config_limits {
    uint64_t request_line; /* bytes */
    uint64_t head;         /* bytes, request line included */
    uint64_t fields;
    uint64_t body;                /* bytes; 0: no limit */
    uint64_t replay;              /* bytes of a body kept so that it can be sent again */
    uint64_t queue;               /* requests that wait for a backend with room, over all workers */
    uint64_t least_rate;          /* bytes a second that a client has to send or to take; 0: none */
    uint64_t connections;         /* clients, over all workers; 0: derived from descriptors */
    uint64_t per_client;          /* connections of one address, over all workers; 0: no limit */
    uint64_t per_client_requests; /* under way at once, counted in the same way; 0: no limit */
    uint64_t connection_age_ms;   /* then a client's connection drains; 0: never */
    uint64_t memory; /* bytes for clients, over all workers; 0: derived from the machine */
    uint32_t attempts;
    double retry_budget; /* fraction of requests */
};

struct config_h2 {
    uint32_t streams;         /* of a client's connection, at once */
    bool websocket;           /* RFC 8441 */
    uint32_t backend_streams; /* of a connection to a backend, at once */
};

struct config_drain {
    uint64_t delay_ms; /* after SIGTERM only /ready changes for so long */
};

enum config_log_format { CONFIG_LOG_BY_STREAM, CONFIG_LOG_TEXT, CONFIG_LOG_JSON };

struct config_log {                /* config/logging.h */
    enum config_log_format format; /* BY_STREAM: text on a terminal, else JSON */
    const char *format_source;     /* what says so in the script's place: "--log-format"; or NULL */
    char *file;                    /* of the lines of requests, absolute; NULL: standard output */
    char **headers;                /* which of a request's, in lower case */
    unsigned headers_count;
    char **skip; /* the path, or the beginning of it, of requests that have no line */
    unsigned skip_count;
    bool host;
};

enum {
    CONFIG_ADMIN_LISTEN_MAX = 8,
    CONFIG_ADMIN_HOSTS_MAX = 16,
    CONFIG_ADMIN_HOST_BYTES = 254,  /* with the NUL */
    CONFIG_ADMIN_TOKEN_BYTES = 257, /* the same */
};

/* Plain bytes, so that an edition copies it as it is: config_print hides the token. */
struct config_admin {                                            /* config/admin.h */
    struct address listen[CONFIG_ADMIN_LISTEN_MAX];              /* IP or unix */
    char token[CONFIG_ADMIN_TOKEN_BYTES];                        /* "": none */
    char hosts[CONFIG_ADMIN_HOSTS_MAX][CONFIG_ADMIN_HOST_BYTES]; /* lower case */
    unsigned listen_count, hosts_count;                          /* listen_count 0: no admin */
};

enum {
    CONFIG_TRACING_URL_BYTES = 512, /* these with the NUL */
    CONFIG_TRACING_NAME_BYTES = 256,
    CONFIG_TRACING_PATH_BYTES = 1024,
    CONFIG_TRACING_HEADERS_BYTES = 4096,
    CONFIG_TRACING_PART_BITS = 53,
};

/* In `always`. */
enum { TRACING_FAILED = 1, TRACING_RETRIED = 2, TRACING_SLOW = 4 };

/* Whose traceparent is continued. */
enum config_tracing_trust { TRACING_TRUSTS_PROXIES, TRACING_TRUSTS_ALL, TRACING_TRUSTS_NONE };

/* Plain bytes, as of admin: config_print hides the headers. */
struct config_tracing {                /* config/tracing.h */
    char to[CONFIG_TRACING_URL_BYTES]; /* http:// or https://; "": no tracing */
    char service[CONFIG_TRACING_NAME_BYTES];
    char name[CONFIG_TRACING_NAME_BYTES]; /* of its certificate; "": the URL's host */
    char ca[CONFIG_TRACING_PATH_BYTES];   /* ""; or as of a backend over TLS */
    char cert[CONFIG_TRACING_PATH_BYTES], key[CONFIG_TRACING_PATH_BYTES];
    char headers[CONFIG_TRACING_HEADERS_BYTES]; /* names and values in turn, each with a NUL */
    uint64_t sampled_below; /* of 2 to the power of CONFIG_TRACING_PART_BITS: the setting part */
    uint64_t slow_us;
    uint32_t headers_bytes, always; /* TRACING_ */
    uint32_t trust;                 /* enum config_tracing_trust */
    uint32_t no_verify;
};

struct config_explain {  /* of requests that are over: nothing is kept without admin */
    uint32_t keep;       /* how many in each worker; 0: none */
    uint64_t seconds_ms; /* that they reach back */
    uint64_t slow_ms;    /* what took longer is kept as what went wrong is */
};

struct config_script {
    uint64_t budget_ms;   /* of CPU, per call, between two awaits; 0: none */
    uint64_t await_ms;    /* of the clock, a call that awaits */
    uint64_t memory;      /* bytes, per worker; 0: none */
    uint64_t connections; /* of scripts, in a worker */
    uint64_t park;        /* breaches within 10 s after which it is asked no more; 0: never */
};

struct config {
    char *script_path; /* as given; "(built in)" for the embedded ones */
    char *script;      /* the source that was loaded, whole; every worker runs this text */
    size_t script_bytes;
    struct bundle modules; /* what it required, whole, too: travels with the script */
    /* config_print leaves out these and health.type: reload/edition.c copies them. */
    bool has_init, has_on_failure, has_on_response, has_on_done;
    bool has_on_health, has_once_timers; /* called in the monitor */
    bool has_choose;                     /* without it the built-in round robin chooses */

    struct config_listen *listen;
    unsigned listen_count;
    struct config_tls tls;
    struct config_backend *backends;
    unsigned backends_count;
    struct config_source *sources; /* ROSTER_SOURCES_MAX at most */
    unsigned sources_count;
    struct config_discovery discovery;
    unsigned workers; /* resolved: at least 1 */
    bool workers_auto;
    enum config_fallback fallback;
    bool has_fallback;      /* the script says which */
    const char *guard_path; /* the script or a module of it: where it calls ctx:reject first; */
    unsigned guard_line;    /* 0: nowhere, or it does not matter */
    struct network *trusted_proxies; /* peers whose X-Forwarded-For is believed */
    unsigned trusted_proxies_count;
    bool forwarded; /* add Forwarded (RFC 7239), too */
    bool trace;     /* TRACE is forwarded, and answered where it ends */
    bool via;       /* add Via (RFC 9110, 7.6.3), in both directions */
    enum config_reuse reuse;
    enum config_body_first body_first;
    struct config_page *pages;
    unsigned pages_count;
    struct config_pairs pages_headers; /* of every status of our own from 400 to 599 */
    struct config_health health;
    struct config_timeouts timeouts;
    struct config_limits limits;
    struct config_h2 h2;
    struct config_drain drain;
    struct config_script script_limits;
    /* "backends by BACKENDS": settings of the script that were replaced; NULL: none */
    char *overridden;
    /* "LISTEN": gives listeners without TLS though the script has tls; NULL: nothing does */
    const char *plain_by;
    struct config_log log;
    struct config_admin admin;
    struct config_tracing tracing;
    struct config_explain explain;
};

struct config_given_list {
    const char **list; /* each one address, or several with commas */
    unsigned count;
    const char *source; /* for messages: "--listen", "LISTEN" */
};

struct config_given_text {
    const char *text, *source;
};

/* What options and environment say in place of the script. All zero: nothing. Borrowed texts. */
struct config_given {
    struct config_given_list listen, backends;
    struct config_given_text workers, log_format;
};

/* The default Host for a backend: its address as it was written, as a client would send it that
 * asked the backend directly (RFC 9110, 7.2). A path is no host. */
static inline const char *config_backend_host(const struct config_backend *backend)
{
    return backend->address.kind == ADDRESS_UNIX ? "localhost" : backend->text;
}

static inline bool config_backend_has_tls(const struct config_backend *backend)
{
    return backend->scheme == CONFIG_HTTPS || backend->scheme == CONFIG_H2;
}

static inline bool config_backend_is_h2(const struct config_backend *backend)
{
    return backend->scheme == CONFIG_H2C || backend->scheme == CONFIG_H2;
}

void config_free(struct config *); /* of config/load.h; NULL is fine */
void config_add_pair(struct config_pairs *, struct slice name, struct slice value); /* copies */
void config_print(const struct config *, struct buffer *);  /* appends, as a script */
void config_print_text(struct buffer *, struct slice text); /* in quotes, as Lua reads it */
/* What scripts write for the values of these enums, in their order; each ends with NULL. */
extern const char *const config_fallback_names[], *const config_body_first_names[];
/* "balancer.lua:12 calls ctx:reject": why the fallback is what it is. */
void config_explain_fallback(const struct config *, struct buffer *);
/* With plain_by: why no client is served over TLS. */
void config_explain_plain(const struct config *, struct buffer *);
bool config_takes_body_first(const struct config *);
const struct config_page *config_page_of(const struct config *, unsigned status); /* or NULL */
/* What a worker may have for its clients: its part of limits.memory. */
uint64_t config_memory_part(const struct config *);
unsigned config_cpus(void); /* the CPUs that this process may use, at least 1 */

#endif
