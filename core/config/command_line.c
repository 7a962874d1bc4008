#include "config/command_line.h"

#include "base/mem.h"
#include "base/nearest.h"
#include "config/habits.h"

#include <stdlib.h>
#include <unistd.h>

enum { DRAIN_SECONDS_MAX = 86400, DRAIN_SECONDS = 30 };

static const char help[] =
    "lb - an HTTP load balancer that is programmed in one Lua file\n"
    "\n"
    "Usage:\n"
    "  lb [OPTIONS] [balancer.lua]    run; the script is ./balancer.lua unless given, and the\n"
    "                                 built-in one if there are backends and no such file\n"
    "  lb check [OPTIONS] FILE        check a script and print the settings in effect\n"
    "  lb ready [OPTIONS] [FILE]      is the lb with this script ready? Its admin listener says\n"
    "                                 it; without one: does it accept connections? For health\n"
    "                                 checks: the exit status says it\n"
    "  lb demo [OPTIONS] [FILE]       try it: two backends and a balancer in front of them\n"
    "  lb version                     print the versions of lb and its libraries\n"
    "\n"
    "Of an lb that runs, by its admin listener:\n"
    "  lb status                      how it is, and its backends\n"
    "  lb backends                    only the backends\n"
    "  lb top                         the same as lb status, on a terminal each second\n"
    "  lb explain ID                  how a request went, and why; ID: of its line in the log\n"
    "  lb decisions [NAME=VALUE ..]   the last requests, as status=5xx last=10 backend=NAME\n"
    "                                 slower_ms=100 retried=1 wrong=1 say\n"
    "  lb drain NAME                  the backend gets no more requests\n"
    "  lb undrain NAME                it gets requests again\n"
    "  lb weight NAME N|script        it gets another part of the requests\n"
    "  lb eject NAME SECONDS          it gets no requests for so long\n"
    "  lb readmit NAME                it is no longer ejected\n"
    "  lb get KEY                     what lb.get gives a script\n"
    "  lb set KEY VALUE [SECONDS]     what it will give, for so long\n"
    "  lb log LEVEL SECONDS           the level of the log, for so long\n"
    "  lb reload                      load the script, and say what came of it\n"
    "  lb upgrade                     put the program at lb's path in its place, as SIGUSR2\n"
    "                                 does, and say what came of it\n"
    "  lb stop                        end lb as SIGTERM does: drain, then exit\n"
    "\n"
    "Options (--name VALUE or --name=VALUE):\n"
    "  --listen ADDRESS               where to listen: host:port, [v6]:port, or :port for all\n"
    "                                 addresses, with https:// before it for TLS, h2c:// for\n"
    "                                 HTTP/2 without; repeat it or use commas for several\n"
    "  --backend ADDRESS              a backend: host:port, [v6]:port, unix:/path; repeat it\n"
    "                                 or use commas for several\n"
    "  --workers N|auto               worker processes, 1 to 256; auto is one per CPU\n"
    "  --log-format text|json         of events and request lines; default: as the script's\n"
    "                                 log.format says, or text on a terminal, else json\n"
    "  --log-level LEVEL              debug, info, warn or error; default: info\n"
    "  --pid-file FILE                write the process id there\n"
    "  --state FILE                   keep there what persons set, over a restart\n"
    "  --drain-timeout SECONDS        time for open requests after SIGTERM; default: 30\n"
    "  --watch, --no-watch            load the script when it, or a module next to it, is\n"
    "                                 saved, or not; default: in lb demo, and if a terminal\n"
    "                                 is there\n"
    "  --admin ADDRESS                of the admin listener that is asked: unix:/path or\n"
    "                                 host:port; default: unix:/run/lb/admin.sock\n"
    "  --wait SECONDS                 with lb drain: until it has no request any more\n"
    "  --why TEXT                     kept with what is changed\n"
    "  --log FILE                     with lb explain: an access log as JSON is read instead\n"
    "  --version                      the same as lb version\n"
    "  -h, --help                     this text\n"
    "\n"
    "Environment (options win over it, and it over the script; empty counts as not set):\n"
    "  LISTEN          as --listen\n"
    "  BACKENDS        as --backend\n"
    "  WORKERS         as --workers\n"
    "  LB_ADMIN_TOKEN  the token that lb status and the others send over TCP\n"
    "\n"
    "Signals, to the process that was started (a worker leaves SIGTERM to it):\n"
    "  SIGTERM, SIGINT    accept nothing new, finish what is open, exit; a second one\n"
    "                     ends at once\n"
    "  SIGQUIT            end at once; a worker that gets it is replaced\n"
    "  SIGHUP             load a changed script; a wrong script changes nothing\n"
    "  SIGUSR1            open log files again, by the paths that they had: for logrotate\n"
    "  SIGUSR2            put the program that is at this one's path now in its place\n"
    "\n"
    "Exit status:\n"
    "  0    ended as asked\n"
    "  1    the system refused something: a port in use, no memory\n"
    "  2    wrong usage, or something wrong in the script";

/* --- one function per option --- */

struct parser {
    struct options *options;
    struct buffer *message;
    const char *const *words; /* behind the program's name */
    int count, at;
    bool watch_given;
    size_t which; /* of the commands, if it is one that asks; and its words */
    unsigned words_taken;
};

static bool fail_with_value(struct parser *p, const char *option, const char *expected,
                            const char *value)
{
    buffer_printf(p->message, "lb: %s: expected %s, got '%.80s'; see lb --help", option, expected,
                  value);
    return false;
}

static bool add_given(struct config_given_list *given, const char *text, const char *source)
{
    given->list = mem_realloc(given->list, (given->count + 1) * sizeof *given->list);
    given->list[given->count++] = text;
    given->source = source;
    return true;
}

static bool take_listen(struct parser *p, const char *value)
{
    return add_given(&p->options->given.listen, value, "--listen");
}

static bool take_backend(struct parser *p, const char *value)
{
    return add_given(&p->options->given.backends, value, "--backend");
}

static bool take_workers(struct parser *p, const char *value)
{
    p->options->given.workers = (struct config_given_text){value, "--workers"};
    return true;
}

static bool take_log_format(struct parser *p, const char *value)
{
    enum log_format format = strcmp(value, "json") == 0 ? LOG_JSON : LOG_TEXT;

    if (format == LOG_TEXT && strcmp(value, "text") != 0)
        return fail_with_value(p, "--log-format", "text or json", value);
    p->options->event_format = p->options->line_format = format;
    p->options->given.log_format = (struct config_given_text){value, "--log-format"};
    return true;
}

static bool take_log_level(struct parser *p, const char *value)
{
    static const char *const levels[] = {
        [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};

    for (int level = LOG_DEBUG; level <= LOG_ERROR; level++)
        if (strcmp(value, levels[level]) == 0) {
            p->options->log_level = (enum log_level)level;
            return true;
        }
    return fail_with_value(p, "--log-level", "debug, info, warn or error", value);
}

static bool take_pid_file(struct parser *p, const char *value)
{
    p->options->pid_file = value;
    return true;
}

static bool take_state(struct parser *p, const char *value)
{
    p->options->state = value;
    return true;
}

static bool take_drain_timeout(struct parser *p, const char *value)
{
    static const char bytes[] = "0123456789.";
    char *end;
    double seconds = strtod(value, &end);

    if (*end != '\0' || strspn(value, bytes) != strlen(value) || seconds > DRAIN_SECONDS_MAX)
        return fail_with_value(p, "--drain-timeout", "seconds from 0 to 86400", value);
    p->options->drain_timeout_ms = (uint64_t)(seconds * 1000 + 0.5);
    return true;
}

static bool take_admin(struct parser *p, const char *value)
{
    p->options->admin = value;
    return true;
}

static bool take_wait(struct parser *p, const char *value)
{
    p->options->wait = value;
    return true;
}

static bool take_why(struct parser *p, const char *value)
{
    p->options->why = value;
    return true;
}

static bool take_log(struct parser *p, const char *value)
{
    p->options->log = value;
    return true;
}

static bool take_watch(struct parser *p, const char *value)
{
    (void)value;
    p->options->watches = p->watch_given = true;
    return true;
}

static bool take_no_watch(struct parser *p, const char *value)
{
    (void)value;
    p->options->watches = false;
    p->watch_given = true;
    return true;
}

static bool take_help(struct parser *p, const char *value)
{
    (void)value;
    p->options->command = OPTIONS_HELP;
    return true;
}

static bool take_version(struct parser *p, const char *value)
{
    (void)value;
    if (p->options->command != OPTIONS_HELP)
        p->options->command = OPTIONS_VERSION;
    return true;
}

static const struct {
    const char *name;
    bool (*take)(struct parser *, const char *value);
    bool has_value;
} known[] = {
    {"--listen", take_listen, true},
    {"--backend", take_backend, true},
    {"--workers", take_workers, true},
    {"--log-format", take_log_format, true},
    {"--log-level", take_log_level, true},
    {"--pid-file", take_pid_file, true},
    {"--state", take_state, true},
    {"--drain-timeout", take_drain_timeout, true},
    {"--admin", take_admin, true},
    {"--wait", take_wait, true},
    {"--why", take_why, true},
    {"--log", take_log, true},
    {"--watch", take_watch, false},
    {"--no-watch", take_no_watch, false},
    {"--version", take_version, false},
    {"--help", take_help, false},
};

enum { KNOWN_COUNT = sizeof known / sizeof *known };

static const struct {
    const char *name;
    enum options_command command;
    /* Of OPTIONS_ASK: */
    enum options_ask ask;
    unsigned least, most; /* words behind it */
    const char *words;    /* what they are */
} commands[] = {
    {"check", OPTIONS_CHECK, 0, 0, 0, ""},
    {"ready", OPTIONS_READY, 0, 0, 0, ""},
    {"demo", OPTIONS_DEMO, 0, 0, 0, ""},
    {"version", OPTIONS_VERSION, 0, 0, 0, ""},
    {"help", OPTIONS_HELP, 0, 0, 0, ""},
    {"status", OPTIONS_ASK, ASK_STATUS, 0, 0, ""},
    {"backends", OPTIONS_ASK, ASK_BACKENDS, 0, 0, ""},
    {"explain", OPTIONS_ASK, ASK_EXPLAIN, 1, 1, "ID"},
    {"decisions", OPTIONS_ASK, ASK_DECISIONS, 0, 6, "[NAME=VALUE ..]"},
    {"drain", OPTIONS_ASK, ASK_DRAIN, 1, 1, "NAME, or lb stop to end lb"},
    {"undrain", OPTIONS_ASK, ASK_UNDRAIN, 1, 1, "NAME"},
    {"weight", OPTIONS_ASK, ASK_WEIGHT, 2, 2, "NAME N"},
    {"eject", OPTIONS_ASK, ASK_EJECT, 2, 2, "NAME SECONDS"},
    {"readmit", OPTIONS_ASK, ASK_READMIT, 1, 1, "NAME"},
    {"get", OPTIONS_ASK, ASK_GET, 1, 1, "KEY"},
    {"set", OPTIONS_ASK, ASK_SET, 2, 3, "KEY VALUE [SECONDS]"},
    {"log", OPTIONS_ASK, ASK_LOG, 2, 2, "LEVEL SECONDS"},
    {"reload", OPTIONS_ASK, ASK_RELOAD, 0, 0, ""},
    {"upgrade", OPTIONS_ASK, ASK_UPGRADE, 0, 0, ""},
    {"top", OPTIONS_ASK, ASK_TOP, 0, 0, ""},
    {"stop", OPTIONS_ASK, ASK_STOP, 0, 0, ""},
};

enum { COMMANDS_COUNT = sizeof commands / sizeof *commands };

/* --- the command line --- */

static bool fail_unknown_option(struct parser *p, struct slice name)
{
    const char *names[KNOWN_COUNT];
    const char *nearest, *habit = habit_of_option(name);

    for (size_t i = 0; i < KNOWN_COUNT; i++)
        names[i] = known[i].name;
    nearest = habit != NULL ? habit : nearest_name(name, names, KNOWN_COUNT);
    buffer_printf(p->message, "lb: unknown option '%.*s'", name.length > 80 ? 80 : (int)name.length,
                  name.start);
    if (nearest != NULL)
        buffer_printf(p->message, ", did you mean '%s'?", nearest);
    buffer_append_text(p->message, nearest != NULL ? " See lb --help" : "; see lb --help");
    return false;
}

static bool take_option(struct parser *p, size_t which, const char *value)
{
    const char *name = known[which].name;

    if (!known[which].has_value && value != NULL) {
        buffer_printf(p->message, "lb: %s takes no value; see lb --help", name);
        return false;
    }
    if (known[which].has_value && value == NULL && p->at < p->count)
        value = p->words[p->at++];
    if (known[which].has_value && (value == NULL || *value == '\0')) {
        buffer_printf(p->message, "lb: %s needs a value; see lb --help", name);
        return false;
    }
    return known[which].take(p, value);
}

/* "--name", "--name=value" or "-h" */
static bool parse_option(struct parser *p, const char *word)
{
    size_t length = strcspn(word, "=");
    struct slice name = {word, length};

    if (strcmp(word, "-h") == 0)
        return take_help(p, NULL);
    for (size_t i = 0; i < KNOWN_COUNT; i++)
        if (slice_is(name, slice_of(known[i].name)))
            return take_option(p, i, word[length] == '=' ? word + length + 1 : NULL);
    return fail_unknown_option(p, name);
}

static void list_commands(struct parser *p, const char *word)
{
    buffer_printf(p->message, "lb: '%.80s' is no file and no command; commands are ", word);
    for (size_t i = 0; i < COMMANDS_COUNT; i++)
        buffer_printf(p->message, "%s%s", i > 0 ? ", " : "", commands[i].name);
    buffer_append_text(p->message, "; see lb --help");
}

/* A script can be called anything, so only a word that is no file is doubted. */
static bool check_script(struct parser *p, const char *word)
{
    const char *names[COMMANDS_COUNT];
    const char *nearest, *habit = habit_of_word(word);

    for (size_t i = 0; i < COMMANDS_COUNT; i++)
        names[i] = commands[i].name;
    nearest = nearest_name(slice_of(word), names, COMMANDS_COUNT);
    if (access(word, F_OK) == 0)
        return true;
    if (nearest != NULL)
        buffer_printf(p->message, "lb: no file '%.80s', did you mean 'lb %s'? See lb --help", word,
                      nearest);
    else if (habit != NULL)
        buffer_printf(p->message, "lb: there is no command '%s': %s; see lb --help", word, habit);
    else
        list_commands(p, word);
    return false;
}

static bool fail_words(struct parser *p)
{
    buffer_printf(p->message, "lb: expected lb %s%s%s; see lb --help", commands[p->which].name,
                  commands[p->which].most > 0 ? " " : "", commands[p->which].words);
    return false;
}

static bool take_word(struct parser *p, const char *word)
{
    if (p->words_taken == commands[p->which].most || *word == '\0')
        return fail_words(p);
    p->options->ask_words[p->words_taken++] = word;
    return true;
}

static bool parse_word(struct parser *p, const char *word, bool is_first)
{
    struct options *o = p->options;

    for (size_t i = 0; is_first && i < COMMANDS_COUNT; i++)
        if (strcmp(word, commands[i].name) == 0) {
            if (o->command != OPTIONS_HELP)
                o->command = commands[i].command;
            o->ask = commands[i].ask;
            p->which = i;
            return true;
        }
    if (o->command == OPTIONS_ASK)
        return take_word(p, word);
    if (o->script_given || o->command == OPTIONS_VERSION || *word == '\0') {
        buffer_printf(p->message, "lb: unexpected '%.80s'; see lb --help", word);
        return false;
    }
    o->script = word;
    o->script_given = true;
    return !is_first || strpbrk(word, "./") != NULL || check_script(p, word);
}

static bool parse_words(struct parser *p)
{
    bool is_first = true, only_words = false;

    while (p->at < p->count) {
        const char *word = p->words[p->at++];

        if (!only_words && strcmp(word, "--") == 0) {
            only_words = true;
        } else if (!only_words && word[0] == '-' && word[1] != '\0') {
            if (!parse_option(p, word))
                return false;
        } else {
            if (!parse_word(p, word, is_first && !only_words))
                return false;
            is_first = false;
        }
    }
    return true;
}

/* --- the environment --- */

static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && *value != '\0' ? value : NULL;
}

static void take_environment(struct config_given *given)
{
    const char *listen = variable("LISTEN"), *backends = variable("BACKENDS");
    const char *workers = variable("WORKERS");

    if (given->listen.count == 0 && listen != NULL)
        add_given(&given->listen, listen, "LISTEN");
    if (given->backends.count == 0 && backends != NULL)
        add_given(&given->backends, backends, "BACKENDS");
    if (given->workers.text == NULL && workers != NULL)
        given->workers = (struct config_given_text){workers, "WORKERS"};
}

int options_parse(struct options *options, int argc, char **argv, struct buffer *message)
{
    struct parser p = {.options = options,
                       .message = message,
                       .words = (const char *const *)argv + 1,
                       .count = argc > 0 ? argc - 1 : 0};

    *options = (struct options){
        .command = OPTIONS_RUN,
        .script = "balancer.lua",
        .event_format = isatty(STDERR_FILENO) ? LOG_TEXT : LOG_JSON,
        .line_format = isatty(STDOUT_FILENO) ? LOG_TEXT : LOG_JSON,
        .log_level = LOG_INFO,
        .drain_timeout_ms = DRAIN_SECONDS * 1000,
    };
    if (!parse_words(&p))
        return OPTIONS_USAGE;
    if (options->command == OPTIONS_ASK && p.words_taken < commands[p.which].least &&
        !fail_words(&p))
        return OPTIONS_USAGE;
    if (options->command == OPTIONS_HELP)
        buffer_append_text(message, help);
    if (!p.watch_given)
        options->watches =
            options->command == OPTIONS_DEMO || isatty(STDERR_FILENO) || isatty(STDIN_FILENO);
    take_environment(&options->given);
    return 0;
}

void options_dispose(struct options *options)
{
    mem_free(options->given.listen.list);
    mem_free(options->given.backends.list);
    options->given = (struct config_given){0};
}
