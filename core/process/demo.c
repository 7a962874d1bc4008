#include "process/demo.h"

#include "base/clock.h"
#include "config/load.h"
#include "config/output.h"
#include "lua/embedded.h"
#include "net/address.h"
#include "os/children.h"
#include "process/supervisor.h"
#include "reload/trial.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    DEMO_BACKENDS = 2,
    DEMO_BALANCER = DEMO_BACKENDS, /* which child it is */
    DEMO_CHILDREN,
    DEMO_FIRST_PORT = 9001,
    DEMO_POLL_MS = 20,
};

static const char *const names[DEMO_BACKENDS] = {"backend 1", "backend 2"};

struct demo {
    const struct options *options;
    struct children children;
    int signals;
    struct segment *segments[DEMO_CHILDREN];
    char backends[DEMO_BACKENDS][32]; /* their addresses */
    const char *backends_texts[DEMO_BACKENDS];
    struct config *config;   /* the balancer's */
    struct options balancer; /* the same: those given, with our backends */
    bool was_shown, is_stopping;
    int status;
};

/* --- the backends --- */

/* The wanted port if it is free, else any. Another program may take it before the backend does:
 * the backend says so then. */
static bool find_port(uint16_t wanted, char *text, size_t bytes)
{
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                               .sin_port = htons(wanted)};
    socklen_t length = sizeof name;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    bool is_found;

    if (fd < 0)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    is_found = bind(fd, (struct sockaddr *)&name, sizeof name) == 0;
    if (!is_found) {
        name.sin_port = 0;
        is_found = bind(fd, (struct sockaddr *)&name, sizeof name) == 0;
    }
    is_found = is_found && getsockname(fd, (struct sockaddr *)&name, &length) == 0;
    close(fd);
    snprintf(text, bytes, "127.0.0.1:%u", (unsigned)ntohs(name.sin_port));
    return is_found;
}

static int supervise(const struct demo *d, unsigned which, const struct config *config,
                     const struct options *options)
{
    return supervisor_run(&(struct supervisor_task){.config = config,
                                                    .segment = d->segments[which],
                                                    .segment_fd = -1,
                                                    .options = options,
                                                    .signals = d->signals});
}

static int run_backend(struct demo *d, unsigned which)
{
    const char *listen = d->backends[which];
    struct options options = *d->options;
    struct buffer error = {0};
    struct config *config;
    int status;

    setenv("NAME", names[which], 1);
    options.given = (struct config_given){.listen = {&listen, 1, "demo"}, .workers = {"1", "demo"}};
    if (options.log_level < LOG_WARN) /* the lines to see are the balancer's */
        options.log_level = LOG_WARN;
    options.pid_file = NULL;
    options.state = NULL;
    options.watches = false;
    config = config_load_text("hello.lua (built in)", embedded_hello(), &options.given,
                              d->segments[which], &error);
    CHECK(config != NULL);
    status = supervise(d, which, config, &options);
    config_free(config);
    return status;
}

/* --- the balancer --- */

/* The script that was given, else ./balancer.lua, else the built-in script. */
static struct config *load_balancer(struct demo *d)
{
    struct buffer error = {0};
    struct config *config;

    d->balancer = *d->options;
    for (unsigned i = 0; i < DEMO_BACKENDS; i++)
        d->backends_texts[i] = d->backends[i];
    d->balancer.given.backends =
        (struct config_given_list){d->backends_texts, DEMO_BACKENDS, "demo"};
    config = config_load(&d->balancer, d->segments[DEMO_BALANCER], &error);
    if (config == NULL)
        fprintf(stderr, "%s\n", buffer_text(&error));
    buffer_dispose(&error);
    return config;
}

/* --- children --- */

/* A process group of its own: Ctrl-C ends the demo, which ends its children. */
static void run_demo_child(void *owner, unsigned which)
{
    struct demo *d = owner;

    setpgid(0, 0);
    if (which == DEMO_BALANCER && !output_open(d->config, &d->balancer))
        exit(1);
    if (which == DEMO_BALANCER)
        exit(supervise(d, which, d->config, &d->balancer));
    exit(run_backend(d, which));
}

static void stop(struct demo *d)
{
    d->is_stopping = true;
    children_end(&d->children, SIGTERM);
}

static void on_demo_child_died(void *owner, unsigned which, int status)
{
    struct demo *d = owner;

    if (d->is_stopping)
        return;
    if (which == DEMO_BALANCER) {
        d->status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        stop(d);
    } else if (!d->was_shown) {
        d->status = 1;
        stop(d);
    } else {
        printf("%s has stopped; start it again with: kill -USR1 %d\n", names[which], (int)getpid());
        fflush(stdout);
    }
}

/* In a new segment: the old one has descriptors of the run before, and says that it stops. */
static void start_again(struct demo *d, unsigned which)
{
    struct segment *segment = segment_new();

    if (segment == NULL) {
        fprintf(stderr, "lb: %s cannot be started again: %s\n", names[which], strerror(errno));
        return;
    }
    segment_free(d->segments[which]);
    d->segments[which] = segment;
    children_start(&d->children, which);
    printf("%s starts again: pid %d\n", names[which], (int)d->children.list[which].pid);
    fflush(stdout);
}

static void start_stopped_backends(struct demo *d)
{
    for (unsigned i = 0; i < DEMO_BACKENDS; i++)
        if (d->children.list[i].pid == 0)
            start_again(d, i);
}

/* --- what it says --- */

static void show(struct demo *d)
{
    struct address listen = d->config->listen[0].address;
    struct buffer url = {0};
    const struct child *list = d->children.list;

    address_set_port(&listen.socket.any,
                     (uint16_t)atomic_load(&d->segments[DEMO_BALANCER]->listen_port));
    if (listen.socket.any.sa_family == AF_INET && listen.socket.v4.sin_addr.s_addr == INADDR_ANY)
        listen.socket.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listen.socket.any.sa_family == AF_INET6 &&
        IN6_IS_ADDR_UNSPECIFIED(&listen.socket.v6.sin6_addr))
        listen.socket.v6.sin6_addr = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
    address_format(&url, &listen.socket.any);
    printf("\n"
           "  Two backends and a balancer in front of them. In another terminal:\n\n"
           "    curl %s%s/     a few times: the backends take turns\n",
           d->config->listen[0].tls ? "-k https://" : "http://", buffer_text(&url));
    for (unsigned i = 0; i < DEMO_BACKENDS; i++)
        printf("    kill %d          stops %s (%s)\n", (int)list[i].pid, names[i], d->backends[i]);
    printf("    kill -USR1 %d    starts again what was stopped\n\n"
           "  Ctrl-C ends all of it.\n\n",
           (int)getpid());
    fflush(stdout);
    buffer_dispose(&url);
    d->was_shown = true;
}

/* --- the whole --- */

static bool listens(const struct demo *d, unsigned which)
{
    return atomic_load(&d->segments[which]->listen_port) != 0;
}

static void demo_step(struct demo *d)
{
    if (d->is_stopping || d->was_shown || !listens(d, 0) || !listens(d, 1))
        return;
    if (d->children.list[DEMO_BALANCER].pid == 0)
        children_start(&d->children, DEMO_BALANCER);
    else if (listens(d, DEMO_BALANCER))
        show(d);
}

static void on_signal_read(struct demo *d, int number)
{
    if (number == SIGUSR1 && d->was_shown && !d->is_stopping)
        start_stopped_backends(d);
    else if (number == SIGINT || number == SIGTERM || number == SIGQUIT || number == SIGHUP)
        stop(d);
}

static void demo_loop(struct demo *d)
{
    for (unsigned i = 0; i < DEMO_BACKENDS; i++)
        children_start(&d->children, i);
    do {
        uint64_t until_ms = UINT64_MAX;
        int number;

        if (!d->was_shown && !d->is_stopping)
            until_ms = clock_steady_ms() + DEMO_POLL_MS;
        signals_wait(d->signals, until_ms);
        while ((number = signals_next(d->signals)) != 0)
            on_signal_read(d, number);
        children_reap(&d->children);
        demo_step(d);
    } while (!d->is_stopping || children_running(&d->children) > 0);
}

static bool demo_open(struct demo *d)
{
    for (unsigned i = 0; i < DEMO_CHILDREN; i++)
        if ((d->segments[i] = segment_new()) == NULL)
            return false;
    for (unsigned i = 0; i < DEMO_BACKENDS; i++)
        if (!find_port((uint16_t)(DEMO_FIRST_PORT + i), d->backends[i], sizeof d->backends[i]))
            return false;
    return true;
}

static void demo_serve(struct demo *d)
{
    children_init(&d->children, DEMO_CHILDREN, d);
    d->children.run = run_demo_child;
    d->children.on_died = on_demo_child_died;
    children_name(&d->children, 0, "demo", 1);
    children_name(&d->children, 1, "demo", 2);
    children_name(&d->children, DEMO_BALANCER, "demo", 0);
    demo_loop(d);
    children_dispose(&d->children);
}

int demo_run(const struct options *options)
{
    struct demo d = {.options = options};

    if (!demo_open(&d)) {
        fprintf(stderr, "lb: the demo cannot be started: %s\n", strerror(errno));
        return 1;
    }
    d.config = load_balancer(&d);
    if (d.config == NULL)
        return 2;
    d.signals = signals_open();
    if (d.signals < 0) {
        fprintf(stderr, "lb: signals cannot be read: %s\n", strerror(errno));
        d.status = 1;
    } else if (trial_run(d.config, false, d.signals, &d.status)) {
        demo_serve(&d);
    }
    config_free(d.config);
    for (unsigned i = 0; i < DEMO_CHILDREN; i++)
        segment_free(d.segments[i]);
    return d.status;
}
