/*
 * tracing - the setting tracing: which requests leave spans, and who gets them.
 *
 *   tracing = { to = "http://127.0.0.1:4318/v1/traces", part = 0.01 }
 */
#ifndef CONFIG_TRACING_H
#define CONFIG_TRACING_H

#include "config/config.h"

struct fields;

/* Of zeros. */
void tracing_read(struct config_tracing *, struct fields *root);
/* Without the values of headers, for which asterisks stand. Nothing if there is no such setting. */
void tracing_print(const struct config_tracing *, struct buffer *);
/* Is another header sent? config_print does not tell. */
bool tracing_headers_differ(const struct config_tracing *, const struct config_tracing *);

static inline bool tracing_is_on(const struct config_tracing *t)
{
    return t->to[0] != '\0';
}

/* The next header from *at on, 0 at first; false behind the last. */
bool tracing_next_header(const struct config_tracing *, size_t *at, struct slice *name,
                         struct slice *value);

#endif
