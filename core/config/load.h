/*
 * load - balancer.lua to settings.
 *
 * Runs the script once, in a Lua state of its own that is gone afterwards, and
 * checks every field of the table that it returns. A wrong script gives one
 * message with file and line, and the way out where there is one:
 * "balancer.lua:7: unknown field 'chose', did you mean 'choose'?". What options or
 * environment give wrongly is named with its source: "--backend: 'web': the port is
 * missing: expected host:port".
 *
 * Without a listen setting it is "0.0.0.0:3030"; config/addresses.h says what can be
 * listened on. Without backends there has to be a choose.
 */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include "base/buffer.h"
#include "config/command_line.h"
#include "config/config.h"
#include "shared/segment.h"

/* The settings, or NULL and a message in *error (without a line end). Borrows everything. The
 * segment is for lb.counter. */
struct config *config_load_file(const char *path, const struct config_given *, struct segment *,
                                struct buffer *error) MUST_USE;
/* The script of the options; the built-in one if none was given, there is no such file, and there
 * are backends. */
struct config *config_load(const struct options *, struct segment *, struct buffer *error) MUST_USE;
/* Without the files of certificates that it names. */
struct config *config_load_text(const char *name, struct slice source, const struct config_given *,
                                struct segment *, struct buffer *error) MUST_USE;

#endif
