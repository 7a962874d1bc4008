/*
 * The request: a GET of "/" by a client of the network that is kept for examples (RFC 5737), as
 * plain as real ones get. What it does not have, a header or a query, others will not have either:
 * a script that takes it for granted is wrong.
 */
#include "lab/rehearsal.h"

#include "base/arena.h"
#include "base/mem.h"
#include "dial/dial.h"
#include "http/head.h"
#include "net/loop.h"
#include "net/tls_fingerprint.h"
#include "policy/policy.h"
#include "shared/board.h"

enum { REQUEST_BYTES = 4096 };

struct rehearsal {
    const struct config *config;
    struct segment *segment;
    struct loop loop;
    struct policy *policy;
    struct buffer *error;
    bool has_failed;
    const char *with; /* what the hook that is called is shown, for the message */

    struct head head;
    struct arena arena;
    struct facts_request request;
    struct policy_call call; /* of one hook after the other; no on_done, as the loop does not run */
    struct tls_said tls;
    uint32_t *backends;
    char room[REQUEST_BYTES];
};

static struct field fields[] = {
    {{"Host", 4}, {"example.org", 11}},
    {{"User-Agent", 10}, {"lb-check", 8}},
    {{"Accept", 6}, {"*/*", 3}},
};

/* Of a client that has to show a certificate. */
static const struct tls_client_said made_up_client = {.subject = {"CN=lb-check", 11},
                                                      .issuer = {"CN=lb-check", 11},
                                                      .serial = {"01", 2},
                                                      .sha256 = {"00", 2},
                                                      .pem = {"", 0},
                                                      .error = {"", 0},
                                                      .names = {{"", 0}, {"", 0}, {"", 0}}};

static const struct tls_traits made_up_traits = {
    .version = 0x0304, .suites = 1, .has_name = true, .alpn = "h1", .values = {0x1301}};

static const struct tls_said made_up_tls = {
    .version = {"1.3", 3},
    .cipher = {"TLS_AES_128_GCM_SHA256", 22},
    .name = {"example.org", 11},
    .alpn = {"http/1.1", 8},
    .traits = {(const char *)&made_up_traits, sizeof made_up_traits}};

static struct field response_fields[] = {
    {{"Content-Type", 12}, {"text/plain", 10}},
    {{"Content-Length", 14}, {"0", 1}},
};

static void on_breach(void *owner, enum hook hook, struct slice message)
{
    struct rehearsal *r = owner;

    r->has_failed = true;
    buffer_append(r->error, message);
    buffer_printf(r->error, " (in %s, tried with %s)", hook_name(hook), r->with);
}

/* As the first listener's clients are. Where any of them may come without a certificate this one
 * does. */
static void make_tls(struct rehearsal *r)
{
    const struct config *c = r->config;
    bool is_required = c->tls.sites.count > 0;

    if (c->listen_count == 0 || !c->listen[0].tls)
        return;
    for (unsigned i = 0; i < c->tls.sites.count; i++)
        is_required = is_required && c->tls.rules[i].client.verify == TLS_VERIFY_REQUIRE;
    r->tls = made_up_tls;
    r->tls.client = is_required ? &made_up_client : NULL;
    r->request.tls = &r->tls;
    r->request.scheme = SLICE("https");
}

static void make_request(struct rehearsal *r)
{
    const struct config *c = r->config;

    r->head = (struct head){.version = VERSION_1_1,
                            .method = SLICE("GET"),
                            .target = SLICE("/"),
                            .fields = fields,
                            .fields_count = sizeof fields / sizeof *fields};
    arena_init(&r->arena, r->room, sizeof r->room);
    r->request = (struct facts_request){
        .id = SLICE("0000000000000000"),
        .method = r->head.method,
        .target = r->head.target,
        .path = SLICE("/"),
        .query = SLICE(""),
        .host = SLICE("example.org"),
        .scheme = SLICE("http"),
        .client_ip = SLICE("192.0.2.1"),
        .listener = c->listen_count > 0 ? slice_of(c->listen[0].written) : SLICE(""),
        .client = 1,
        .client_port = 50000,
        .attempts = 1,
        .tries = 1,
        .idempotent = 1,
        .replayable = 1,
        .head = &r->head,
        .arena = &r->arena};
    make_tls(r);
}

static void try_choose(struct rehearsal *r, struct facts_decision *decision)
{
    struct facts_choice choice = {r->backends, r->config->backends_count, 1, false};

    r->with = "a made-up request";
    policy_choose(r->policy, &r->call, &r->request, &choice, decision);
    policy_cancel(&r->call);
}

static void try_on_failure(struct rehearsal *r, uint32_t backend)
{
    struct facts_failure failure = {.kind = FACTS_CONNECT,
                                    .phase = FACTS_PHASE_CONNECT,
                                    .message = SLICE("connection refused"),
                                    .backend = backend};
    enum facts_verdict verdict;

    r->with = "a made-up request";
    policy_on_failure(r->policy, &r->call, &r->request, &failure, &verdict);
    policy_cancel(&r->call);
}

/* Most scripts let a 200 go to the client and may ask elsewhere for a 503. */
static void try_on_response(struct rehearsal *r, uint32_t backend, unsigned status)
{
    struct head head = {.version = VERSION_1_1,
                        .status = status,
                        .fields = response_fields,
                        .fields_count = sizeof response_fields / sizeof *response_fields};
    const struct facts_response response = {backend, &head};
    struct facts_decision decision = {0};

    r->with =
        status == 200 ? "a made-up response of status 200" : "a made-up response of status 503";
    policy_on_response(r->policy, &r->call, &r->request, &response, &decision);
    policy_cancel(&r->call);
}

/* What ctx:finally was given, and on_done. */
static void try_end(struct rehearsal *r, int32_t backend)
{
    struct facts_result result = {.ms = 1,
                                  .grpc_status = -1,
                                  .status = backend < 0 ? 503 : 200,
                                  .attempts = backend < 0 ? 0 : 1,
                                  .backend = backend};

    r->with = "a made-up request";
    policy_finish(r->policy, &r->request, &result);
    if (r->has_failed || !r->config->has_on_done)
        return;
    policy_on_done(r->policy, &r->call, &r->request, &result);
    policy_cancel(&r->call);
}

/* The hooks of the monitor. Which verdict health comes to does not matter. */
static void try_health(struct rehearsal *r, uint32_t backend)
{
    struct facts_check check;

    r->with = "the first backend";
    policy_health(r->policy, &r->call, &r->request, backend, &check);
    policy_cancel(&r->call);
}

static void try_on_health(struct rehearsal *r, uint32_t backend)
{
    r->with = "the first backend, said to be down";
    policy_on_health(r->policy, &r->call, backend, false, SLICE("connection refused"));
    policy_cancel(&r->call);
}

/* Until one has failed: the first mistake is reported. */
static void try_hooks(struct rehearsal *r)
{
    const struct config *config = r->config;
    struct facts_decision decision = {0};
    bool has_backends = config->backends_count > 0;
    uint32_t backend;

    try_choose(r, &decision);
    backend = decision.kind == FACTS_BACKEND ? decision.backend : 0;
    if (!r->has_failed && has_backends)
        try_on_failure(r, backend);
    if (!r->has_failed && has_backends && config->has_on_response)
        try_on_response(r, backend, 200);
    if (!r->has_failed && has_backends && config->has_on_response)
        try_on_response(r, backend, 503);
    if (!r->has_failed)
        try_end(r, has_backends && decision.kind == FACTS_BACKEND ? (int32_t)backend : -1);
    if (!r->has_failed && has_backends && config->health.type == CONFIG_HEALTH_LUA)
        try_health(r, 0);
    if (!r->has_failed && has_backends && config->has_on_health)
        try_on_health(r, 0);
}

static void raise_curtain(struct rehearsal *r)
{
    unsigned count = r->config->backends_count, slots = 0;

    for (unsigned i = 0; i < count; i++)
        if (r->config->backends[i].slot >= slots)
            slots = r->config->backends[i].slot + 1;
    board_init(r->segment, slots);
    r->backends = mem_alloc((count + 1) * sizeof *r->backends);
    for (uint32_t i = 0; i < count; i++) {
        r->backends[i] = i;
        board_set_up(r->segment, r->config->backends[i].slot, VERDICT_CHECKED, 0, 1);
    }
    loop_init(&r->loop);
}

bool rehearsal_passes(const struct config *config, struct buffer *error)
{
    struct rehearsal *r = mem_zalloc(sizeof *r);
    bool passes;

    *r = (struct rehearsal){.config = config, .error = error, .segment = segment_new()};
    if (r->segment == NULL) {
        buffer_append_text(error, "no shared memory to try the script with");
        mem_free(r);
        return false;
    }
    raise_curtain(r);
    r->policy = policy_new(config, r->segment, &r->loop, 0, error);
    if (r->policy != NULL) {
        policy_on_breach(r->policy, on_breach, r);
        make_request(r);
        try_hooks(r);
        policy_forget(r->policy, &r->request);
        arena_dispose(&r->arena);
    }
    passes = r->policy != NULL && !r->has_failed;
    policy_free(r->policy);
    if (dial_is_resolving()) /* a hook's lookup, which the loop would wait for: leave all to exit */
        return passes;
    loop_dispose(&r->loop);
    segment_free(r->segment);
    mem_free(r->backends);
    mem_free(r);
    return passes;
}
