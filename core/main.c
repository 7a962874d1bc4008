/*
 * Command line in, exit code out.
 */
#include "base/clock.h"
#include "base/log.h"
#include "config/command_line.h"
#include "config/inspect.h"
#include "config/load.h"
#include "config/output.h"
#include "discover/file.h"
#include "http/parse.h"
#include "lua/sandbox.h"
#include "net/loop.h"
#include "net/tls_library.h"
#include "net/tls_selftest.h"
#include "os/children.h"
#include "os/program.h"
#include "os/whole_file.h"
#include "process/ask.h"
#include "process/demo.h"
#include "process/ready.h"
#include "process/succession.h"
#include "process/supervisor.h"
#include "reload/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static int fail_start(int status, struct slice message)
{
    check_last_words("start_failed", "%.*s", (int)message.length, message.start);
    return status;
}

/* Started without one of them, the next socket would be "standard error". */
static void open_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

static int print_in_effect(const struct config *config)
{
    struct buffer out = {0};
    bool is_whole;

    config_print(config, &out);
    buffer_printf(&out, "-- fallback: \"%s\", as ", config_fallback_names[config->fallback]);
    config_explain_fallback(config, &out);
    buffer_append_byte(&out, '\n');
    if (config->overridden != NULL)
        buffer_printf(&out, "-- not as the script says: %s\n", config->overridden);
    if (config->plain_by != NULL) {
        buffer_append_text(&out, "-- warning: ");
        config_explain_plain(config, &out);
        buffer_append_byte(&out, '\n');
    }
    inspect_certificates(&config->tls, clock_wall_s(), &out);
    is_whole =
        fwrite(buffer_slice(&out).start, 1, buffer_length(&out), stdout) == buffer_length(&out);
    is_whole = fflush(stdout) == 0 && is_whole;
    buffer_dispose(&out);
    return is_whole ? 0 : 1;
}

static int print_version(void)
{
    const char *why = tls_selftest_why();

    printf("lb %s\nlibuv %s\nllhttp %s\n%s\n%s\n", VERSION, uv_version_string(),
           parse_library_version(), sandbox_library_version(), tls_library_version());
    printf("records of TLS 1.3: %s%s%s%s\n", why == NULL ? "own" : "OpenSSL's",
           why == NULL ? "" : " (", why == NULL ? "" : why, why == NULL ? "" : ")");
    return fflush(stdout) == 0 ? 0 : 1;
}

/* The files that are sources of backends. */
static bool check_lists(const struct config *config)
{
    struct buffer wrong = {0};
    bool is_good = file_check(config, &wrong);

    if (!is_good)
        check_last_words("start_failed", "%s", buffer_text(&wrong));
    buffer_dispose(&wrong);
    return is_good;
}

static int with_config(const struct config *config, struct segment *segment, int segment_fd,
                       const struct options *options)
{
    bool is_check = options->command == OPTIONS_CHECK;
    int signals = signals_open(), status;
    struct options in_effect = *options;

    if (signals < 0)
        return fail_start(1, SLICE("lb: signals cannot be read"));
    if (!trial_run(config, is_check, signals, &status)) /* stopped meanwhile, no check was done */
        return is_check && status == 0 ? 1 : status;
    if (is_check && !check_lists(config))
        return 1;
    if (is_check && options->state != NULL && whole_file_check(options->state) != 0) {
        check_last_words("start_failed", "lb: --state: cannot write %s: %s", options->state,
                         strerror(errno));
        return 1;
    }
    if (!is_check && !output_open(config, &in_effect))
        return 1;
    if (!is_check)
        return supervisor_run(&(struct supervisor_task){.config = config,
                                                        .segment = segment,
                                                        .segment_fd = segment_fd,
                                                        .options = &in_effect,
                                                        .signals = signals});
    signals_deliver();
    return print_in_effect(config);
}

static int with_settings(const struct options *options)
{
    int segment_fd, status;
    struct segment *segment;
    struct buffer error = {0};
    struct config *config;

    signal(SIGXFSZ, SIG_IGN); /* a file at its limit is an error, and ends no process */
    segment = segment_new_kept(&segment_fd);
    if (segment == NULL) {
        check_last_words("start_failed", "lb: no shared memory: %s", strerror(errno));
        return 1;
    }
    config = config_load(options, segment, &error);
    if (config == NULL)
        status = fail_start(2, buffer_slice(&error));
    else if (options->command == OPTIONS_READY)
        status = ready_run(config);
    else
        status = with_config(config, segment, segment_fd, options);
    config_free(config);
    segment_free(segment);
    buffer_dispose(&error);
    return status;
}

static int run(const struct options *options)
{
    struct handover *handover = handover_take();

    signals_expect();
    if (options->event_format == LOG_JSON && (handover == NULL || !handover->is_trial))
        check_speak_json("supervisor");
    return handover != NULL ? succession_run(options, handover) : with_settings(options);
}

static int run_command(const struct options *options, struct slice help)
{
    switch (options->command) {
    case OPTIONS_HELP:
        printf("%.*s\n", (int)help.length, help.start);
        return fflush(stdout) == 0 ? 0 : 1;
    case OPTIONS_VERSION:
        return print_version();
    case OPTIONS_ASK:
        return ask_run(options);
    case OPTIONS_DEMO:
        signals_expect();
        return demo_run(options);
    case OPTIONS_RUN:
        return run(options);
    case OPTIONS_CHECK:
    case OPTIONS_READY:
        if (options->command == OPTIONS_READY && options->admin != NULL)
            return ask_run(&(struct options){.ask = ASK_READY, .admin = options->admin});
        break;
    }
    return with_settings(options);
}

int main(int argc, char **argv)
{
    struct options options;
    struct buffer message = {0};
    int status;

    open_standard_descriptors();
    program_remember(argv);
    loop_count_memory();
    tls_library_count_memory();
    status = options_parse(&options, argc, argv, &message);
    if (status != 0 && options.given.log_format.text != NULL && options.event_format == LOG_JSON)
        check_speak_json("supervisor"); /* what was wrong came behind that */
    if (status != 0)
        (void)fail_start(status, buffer_slice(&message));
    else
        status = run_command(&options, buffer_slice(&message));
    options_dispose(&options);
    buffer_dispose(&message);
    return status;
}
