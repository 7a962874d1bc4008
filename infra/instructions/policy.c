/*
 * Calls the real policy_choose over and over, for make instructions-policy: the difference of two
 * runs is what the calls cost. It counts all that the proxy pays for a choice: policy.c, the
 * coroutine, the budget, hooks.lua, the script; not the facts, which are there either way.
 *
 *     policy SCRIPT CALLS     SCRIPT "-": no call, which is what the loop itself costs
 */
#include "policy/policy.h"
#include "base/arena.h"
#include "base/log.h"
#include "config/load.h"
#include "http/head.h"
#include "net/loop.h"
#include "shared/board.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BACKENDS = 8, FIELDS = 8, USERS = 64, ROOM = 4096 };

enum { USER = 5 }; /* the field that changes */

static const char *const header[FIELDS][2] = {
    {"Host", "example.org"},      {"User-Agent", "curl/8.5.0"},     {"Accept", "*/*"},
    {"Accept-Encoding", "gzip"},  {"Cookie", "session=abcdef"},     {"X-User", ""},
    {"X-Trace", "0123456789abc"}, {"Referer", "http://a.example/"},
};
static const char *const backends[BACKENDS] = {
    "127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9003", "127.0.0.1:9004",
    "127.0.0.1:9005", "127.0.0.1:9006", "127.0.0.1:9007", "127.0.0.1:9008",
};

static void on_breach(void *owner, enum hook hook, struct slice message)
{
    (void)owner;
    fprintf(stderr, "%s: %.*s\n", hook_name(hook), (int)message.length, message.start);
    exit(1);
}

static void on_done(struct policy_call *call)
{
    (void)call;
}

static struct policy *load(const char *script, struct segment *segment)
{
    static struct loop loop;
    static const char *addresses[BACKENDS];
    struct config_given given = {.backends = {.list = addresses, .count = BACKENDS}};
    struct buffer error = {0};
    struct config *config;
    struct policy *policy = NULL;

    memcpy(addresses, backends, sizeof addresses);
    loop_init(&loop);
    config = config_load_file(script, &given, segment, &error);
    if (config != NULL) {
        board_init(segment, BACKENDS);
        atomic_store(&segment->workers_count, 1);
        for (unsigned i = 0; i < BACKENDS; i++)
            board_set_up(segment, i, VERDICT_CHECKED, 0, 1);
        policy = policy_new(config, segment, &loop, 0, &error);
    }
    if (policy == NULL) {
        fprintf(stderr, "%.*s\n", (int)buffer_length(&error), buffer_slice(&error).start);
        exit(1);
    }
    policy_on_breach(policy, on_breach, NULL);
    return policy;
}

/* Each time for the next of the users, whose name is in that field. */
static int choose_often(struct policy *policy, struct facts_request *request, struct field *user,
                        const struct slice *users, unsigned long calls)
{
    static const uint32_t indices[BACKENDS] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct facts_choice choice = {.backends = indices, .count = BACKENDS, .generation = 1};
    struct policy_call call = {.on_done = on_done};

    for (unsigned long i = 0; i < calls; i++) {
        struct facts_decision decision = {0};

        user->value = users[i % USERS];
        if (policy == NULL) {
            __asm__ volatile("" : : "r"(&decision) : "memory"); /* or nothing of it would remain */
            continue;
        }
        if (policy_choose(policy, &call, request, &choice, &decision) != POLICY_DONE ||
            decision.kind != FACTS_BACKEND || decision.by_fallback)
            return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static struct field fields[FIELDS];
    static char room[ROOM], names[USERS][8];
    static struct slice users[USERS];
    struct head head = {.version = VERSION_1_1, .fields = fields, .fields_count = FIELDS};
    struct arena arena;
    struct facts_request request = {.id = SLICE("r1"),
                                    .method = SLICE("GET"),
                                    .target = SLICE("/api/v1/users"),
                                    .path = SLICE("/api/v1/users"),
                                    .query = SLICE(""),
                                    .host = SLICE("example.org"),
                                    .scheme = SLICE("http"),
                                    .client_ip = SLICE("192.0.2.7"),
                                    .client_port = 50000,
                                    .attempts = 1,
                                    .tries = 1,
                                    .head = &head,
                                    .arena = &arena};
    unsigned long calls = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    struct policy *policy;

    if (calls == 0)
        return 2;
    log_open(LOG_TEXT, LOG_TEXT, LOG_ERROR, "instructions");
    policy = strcmp(argv[1], "-") == 0 ? NULL : load(argv[1], segment_new());
    arena_init(&arena, room, sizeof room);
    for (unsigned i = 0; i < FIELDS; i++)
        fields[i] = (struct field){slice_of(header[i][0]), slice_of(header[i][1])};
    for (unsigned i = 0; i < USERS; i++)
        users[i] =
            (struct slice){names[i], (size_t)snprintf(names[i], sizeof names[i], "user%u", i)};
    return choose_often(policy, &request, &fields[USER], users, calls);
}
