#include "config/habits.h"

#include "base/nearest.h"

struct habit {
    const char *theirs, *ours;
};

static const struct habit words[] = {
    {"quit", "lb stop ends one that has admin, and SIGTERM any: kill $(cat FILE), with the FILE of "
             "--pid-file"},
    {"restart", "lb stop or SIGTERM ends a running lb, then start it again; for a changed script "
                "lb reload or SIGHUP will do"},
    {"start", "lb FILE runs a script, and stays in the foreground"},
    {"run", "lb FILE runs a script"},
    {"serve", "lb FILE runs a script"},
    {"test", "lb check FILE checks a script"},
    {"configtest", "lb check FILE checks a script"},
    {"validate", "lb check FILE checks a script"},
};

enum { WORDS = sizeof words / sizeof *words };

static const struct habit options[] = {
    {"-t", "lb check FILE"},
    {"-T", "lb check FILE"},
    {"--test", "lb check FILE"},
    {"--check", "lb check FILE"},
    {"-c", "lb FILE"},
    {"-f", "lb FILE"},
    {"--config", "lb FILE"},
    {"--file", "lb FILE"},
    {"-v", "lb version"},
    {"-V", "lb version"},
    {"-p", "lb --listen :PORT"},
    {"--port", "lb --listen :PORT"},
    {"-l", "lb --listen ADDRESS"},
    {"-b", "lb --backend ADDRESS"},
    {"-w", "lb --workers N"},
    {"--server", "lb --backend ADDRESS"},
    {"--upstream", "lb --backend ADDRESS"},
    {"-d", "lb FILE &"},
    {"-D", "lb FILE &"},
    {"--daemon", "lb FILE &"},
    {"-s", "kill -HUP PID for a reload, kill PID for the end"},
};

#define BACKENDS "write backends = { \"host:port\", .. }"
#define LISTEN   "write listen = \":80\""
#define CHOOSE   "the script chooses, as in return require \"least_in_flight\" { backends = .. }"
#define CLIENTS  "write limits = { connections = .. }, or max_in_flight of a backend"
#define HEALTH   "write health = { type = \"http\", path = \"/\" }"
#define RETRIES  "write limits = { attempts = .. }; on_failure says what is tried again"
#define TLS                                                                                        \
    "write listen = { { \":443\", tls = true } }, tls = { certificates = { \"/etc/lb/*.pem\" } }"

static const struct habit settings[] = {
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
    {"certificates", TLS},
};

static const char *habit_find(const struct habit *list, size_t count, struct slice theirs)
{
    for (size_t i = 0; i < count; i++)
        if (slice_is(theirs, slice_of(list[i].theirs)))
            return list[i].ours;
    return NULL;
}

const char *habit_of_word(const char *word)
{
    const char *names[WORDS];
    const char *nearest;

    for (size_t i = 0; i < WORDS; i++)
        names[i] = words[i].theirs;
    nearest = nearest_name(slice_of(word), names, WORDS);
    return nearest != NULL ? habit_find(words, WORDS, slice_of(nearest)) : NULL;
}

const char *habit_of_option(struct slice name)
{
    return habit_find(options, sizeof options / sizeof *options, name);
}

void habits_check_settings(struct fields *root)
{
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (fields_type(root, settings[i].theirs, 0) != FIELDS_NOTHING)
            fields_fail(root, settings[i].theirs, 0, "this is no setting of lb: %s",
                        settings[i].ours);
}
