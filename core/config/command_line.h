/*
 * command_line - the command line and the environment, as a plain struct.
 *
 * lb [balancer.lua], lb check FILE, lb ready [FILE], lb status and others; --help is the reference.
 * Options win over the environment, the environment over the script (config/load.h does the
 * latter).
 * Nothing is printed and nothing exits here.
 */
#ifndef CONFIG_COMMAND_LINE_H
#define CONFIG_COMMAND_LINE_H

#include "base/buffer.h"
#include "base/check.h"
#include "base/log.h"
#include "config/config.h"

#include <stdbool.h>
#include <stdint.h>

#define VERSION "0.1.0" /* of lb */

enum { OPTIONS_USAGE = 2 }; /* the exit status of a wrong command line */

enum options_command {
    OPTIONS_RUN,
    OPTIONS_CHECK,
    OPTIONS_READY,
    OPTIONS_DEMO,
    OPTIONS_VERSION,
    OPTIONS_HELP,
    OPTIONS_ASK, /* of a running lb: process/ask.h */
};

enum options_ask {
    ASK_STATUS,
    ASK_BACKENDS,
    ASK_READY,
    ASK_DRAIN,
    ASK_UNDRAIN,
    ASK_WEIGHT,
    ASK_EJECT,
    ASK_READMIT,
    ASK_GET,
    ASK_SET,
    ASK_LOG,
    ASK_RELOAD,
    ASK_UPGRADE,
    ASK_STOP,
    ASK_TOP,
    ASK_DECISIONS,
    ASK_EXPLAIN,
    ASKS
};

enum { OPTIONS_ASK_WORDS = 6 };

struct options {
    enum options_command command;
    const char *script; /* "balancer.lua" unless one was given */
    bool script_given;
    struct config_given given;
    enum log_format event_format; /* of standard error */
    enum log_format line_format;  /* of standard output */
    enum log_level log_level;
    const char *pid_file; /* NULL: none */
    const char *state;    /* NULL: none */
    uint64_t drain_timeout_ms;
    bool watches; /* a script that is saved is loaded */
    enum options_ask ask;
    const char *ask_words[OPTIONS_ASK_WORDS]; /* behind its name; NULL behind the last */
    const char *admin;                        /* where it asks; NULL: at the usual place */
    const char *wait, *why, *log;             /* or NULL */
};

/* 0: do what options->command says; for OPTIONS_HELP *message is the help text,
 * which goes to standard output. Else the exit status, and *message is what to
 * print to standard error. The message has no line end after its last line.
 * Borrows argv and the environment; options_dispose when done, in any case. */
int options_parse(struct options *, int argc, char **argv, struct buffer *message) MUST_USE;
void options_dispose(struct options *);

#endif
