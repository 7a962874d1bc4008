#include "config/probes.h"

#include "base/mem.h"
#include "http/target.h"
#include "lua/fields.h"

enum {
    PATH_BYTES_MAX = 2048,
    HOST_BYTES_MAX = 255,
    STATUSES_MAX = 64, /* elements of a list of them */
    STATUS_LEAST = 200 /* what is below is no final answer (RFC 9110, 15.2) */
};

const char *const probes_names[] = {"type", "path", "host", "status", "service", "check", NULL};

/* --- statuses --- */

static void add_statuses(struct config_health *health, unsigned first, unsigned count)
{
    for (unsigned bit = first - CONFIG_STATUS_MIN; count > 0; bit++, count--)
        health->status[bit / 8] |= (uint8_t)(1u << (bit % 8));
}

bool probes_status_is_healthy(const struct config_health *health, unsigned status)
{
    unsigned bit = status - CONFIG_STATUS_MIN;

    return status >= CONFIG_STATUS_MIN && status <= CONFIG_STATUS_MAX &&
           (health->status[bit / 8] >> (bit % 8) & 1) != 0;
}

static bool has_hundred(const struct config_health *health, unsigned first)
{
    for (unsigned status = first; status < first + 100; status++)
        if (!probes_status_is_healthy(health, status))
            return false;
    return true;
}

static void print_statuses(const struct config_health *health, struct buffer *out)
{
    const char *before = "";

    buffer_append_text(out, "{ ");
    for (unsigned first = STATUS_LEAST; first < CONFIG_STATUS_MAX; first += 100) {
        bool is_whole = has_hundred(health, first);

        if (is_whole)
            buffer_printf(out, "%s\"%uxx\"", before, first / 100);
        for (unsigned status = first; status < first + 100; status++) {
            if (!probes_status_is_healthy(health, status))
                continue;
            if (!is_whole)
                buffer_printf(out, "%s%u", before, status);
            before = ", ";
        }
    }
    buffer_append_text(out, " }");
}

void probes_set_defaults(struct config_health *health)
{
    health->type = CONFIG_HEALTH_TCP;
    health->path = mem_copy_text("/");
    health->service = mem_copy_text("");
    add_statuses(health, 200, 100);
}

/* "200" or "2xx" */
static bool add_status_text(struct config_health *health, struct slice text)
{
    char first = text.length == 3 ? text.start[0] : '0';
    unsigned hundred = (unsigned)(first - '0') * 100;

    if (first < '2' || first > '5')
        return false;
    if (slice_is_nocase((struct slice){text.start + 1, 2}, SLICE("xx"))) {
        add_statuses(health, hundred, 100);
        return true;
    }
    for (int i = 1; i < 3; i++)
        if (text.start[i] < '0' || text.start[i] > '9')
            return false;
    add_statuses(health,
                 hundred + (unsigned)(text.start[1] - '0') * 10 + (unsigned)(text.start[2] - '0'),
                 1);
    return true;
}

static void read_status(struct config_health *health, struct fields *table, const char *name,
                        unsigned position)
{
    static const struct fields_range range = {STATUS_LEAST, CONFIG_STATUS_MAX, false, true, NULL};
    static const char expected[] = "a status from 200 to 599, or all of a kind, as in \"2xx\"";
    enum fields_type type = fields_type(table, name, position);
    struct slice text;
    double number;

    if (type == FIELDS_NUMBER && fields_number(table, name, position, &range, &number))
        add_statuses(health, (unsigned)number, 1);
    else if (type == FIELDS_TEXT && fields_text(table, name, position, &text)) {
        if (!add_status_text(health, slice_trim(text)))
            fields_fail(table, name, position, "expected %s, got '%.40s'", expected, text.start);
    } else if (type != FIELDS_NUMBER && type != FIELDS_NOTHING)
        fields_expected(table, name, position, expected);
}

static void read_statuses(struct config_health *health, struct fields *table)
{
    enum fields_type type = fields_type(table, "status", 0);
    struct fields list;
    unsigned count;

    if (type == FIELDS_NOTHING)
        return;
    memset(health->status, 0, sizeof health->status);
    if (type != FIELDS_TABLE) {
        read_status(health, table, "status", 0);
        return;
    }
    if (!fields_enter(&list, table, "status", 0))
        return;
    count = fields_count(&list, STATUSES_MAX);
    if (count == 0)
        fields_fail(&list, NULL, 0, "expected one status at least: no check could succeed");
    for (unsigned i = 1; i <= count; i++)
        read_status(health, &list, NULL, i);
    fields_leave(&list);
}

/* --- where to ask --- */

static void read_path(struct config_health *health, struct fields *table)
{
    struct slice path;

    if (!fields_text(table, "path", 0, &path))
        return;
    if (path.length > PATH_BYTES_MAX || !target_is_origin(path)) {
        fields_fail(table, "path", 0,
                    "expected a path such as \"/healthz\": it begins with \"/\" and has no spaces, "
                    "no \"#\" and nothing beyond ASCII");
        return;
    }
    mem_free(health->path);
    health->path = mem_copy(path.start, path.length);
}

static void read_host(struct config_health *health, struct fields *table)
{
    struct slice host;

    if (!fields_text(table, "host", 0, &host))
        return;
    if (host.length > HOST_BYTES_MAX || !host_is_valid(host)) {
        fields_fail(table, "host", 0, "expected host, host:port or [v6]:port, got '%.80s'",
                    host.start);
        return;
    }
    mem_free(health->host);
    health->host = mem_copy(host.start, host.length);
}

static void read_service(struct config_health *health, struct fields *table)
{
    struct slice service;

    if (!fields_text(table, "service", 0, &service))
        return;
    if (service.length > CONFIG_HEALTH_SERVICE_MAX) {
        fields_fail(table, "service", 0, "expected the name of a gRPC service, %u bytes at most",
                    CONFIG_HEALTH_SERVICE_MAX);
        return;
    }
    mem_free(health->service);
    health->service = mem_copy(service.start, service.length);
}

/* --- all --- */

static void read_type(struct config_health *health, struct fields *table)
{
    static const char *const types[] = {"tcp", "http", "grpc", NULL}; /* as in the enum */
    unsigned which;

    if (fields_choice(table, "type", types, &which))
        health->type = (enum config_health_type)which;
}

static void refuse_without_http(struct fields *table)
{
    static const char *const names[] = {"path", "host", "status", NULL};

    for (const char *const *name = names; *name != NULL; name++)
        if (fields_type(table, *name, 0) != FIELDS_NOTHING)
            fields_fail(table, *name, 0, "only a check by HTTP has it: set type = \"http\"");
}

static void refuse_service(struct fields *table)
{
    if (fields_type(table, "service", 0) != FIELDS_NOTHING)
        fields_fail(table, "service", 0, "only a check by gRPC has it: set type = \"grpc\"");
}

/* The script's own. */
static void read_check(struct config_health *health, struct fields *table)
{
    if (!fields_function(table, "check"))
        return;
    if (fields_type(table, "type", 0) != FIELDS_NOTHING)
        fields_fail(table, "type", 0, "a check of the script's own has no type");
    health->type = CONFIG_HEALTH_LUA;
}

static void check_backends(const struct config *config, struct fields *table)
{
    if (config->health.type != CONFIG_HEALTH_GRPC)
        return;
    for (unsigned i = 0; i < config->backends_count; i++)
        if (!config_backend_is_h2(&config->backends[i])) {
            fields_fail(table, "type", 0,
                        "type = \"grpc\" asks backends in HTTP/2: write \"h2c://%s\" in backends",
                        config->backends[i].text);
            return;
        }
}

void probes_read(struct config *config, struct fields *table)
{
    struct config_health *health = &config->health;

    read_type(health, table);
    read_check(health, table);
    if (health->type != CONFIG_HEALTH_HTTP)
        refuse_without_http(table);
    if (health->type != CONFIG_HEALTH_GRPC)
        refuse_service(table);
    read_path(health, table);
    read_host(health, table);
    read_statuses(health, table);
    read_service(health, table);
    check_backends(config, table);
}

void probes_print(const struct config_health *health, struct buffer *out)
{
    if (health->type == CONFIG_HEALTH_LUA) {
        buffer_append_text(out, "    -- check: the script's\n");
        return;
    }
    if (health->type == CONFIG_HEALTH_TCP) {
        buffer_append_text(out, "    type = \"tcp\",\n");
        return;
    }
    if (health->type == CONFIG_HEALTH_GRPC) {
        buffer_append_text(out, "    type = \"grpc\",\n    service = ");
        config_print_text(out, slice_of(health->service));
        buffer_append_text(out, ",\n");
        return;
    }
    buffer_append_text(out, "    type = \"http\",\n    path = ");
    config_print_text(out, slice_of(health->path));
    if (health->host != NULL) {
        buffer_append_text(out, ",\n    host = ");
        config_print_text(out, slice_of(health->host));
    }
    buffer_append_text(out, ",\n    status = ");
    print_statuses(health, out);
    buffer_append_text(out, ",\n");
}
