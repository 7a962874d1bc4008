#include "config/output.h"

#include "base/check.h"
#include "base/mem.h"

#include <string.h>

/* NULL for standard output, too: if that is a socket it cannot be opened by a path. */
static const char *log_file_of(const struct config_log *log)
{
    return log->file != NULL && strcmp(log->file, "/dev/stdout") != 0 ? log->file : NULL;
}

bool output_open(const struct config *config, struct options *options)
{
    const struct config_log *log = &config->log;
    const char *file = log_file_of(log);
    int error;

    if (log->format != CONFIG_LOG_BY_STREAM)
        options->event_format = options->line_format =
            log->format == CONFIG_LOG_JSON ? LOG_JSON : LOG_TEXT;
    else if (file != NULL)
        options->line_format = LOG_JSON; /* it is no terminal, whatever standard output was */
    error = file != NULL ? log_use_file(file) : 0;
    if (error != 0)
        check_last_words("start_failed", "lb: log.file: cannot open %s: %s", file, strerror(error));
    return error == 0;
}

static bool is_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool output_differs(const struct config *config, const struct config *first)
{
    return config->log.format != first->log.format || !is_same(config->log.file, first->log.file);
}

void output_keep(struct config *config, const struct config *first)
{
    config->log.format = first->log.format;
    config->log.format_source = first->log.format_source;
    mem_free(config->log.file);
    config->log.file = first->log.file != NULL ? mem_copy_text(first->log.file) : NULL;
}
