#include "process/explained.h"

#include "base/json_read.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { SHOWN_MAX = 1024, CLOCK_AT = 11, CLOCK_BYTES = 12 };

/* --- values --- */

static void put_escaped(struct buffer *out, struct slice value)
{
    struct buffer text = {0};

    json_append_characters(&text, value);
    log_append_escaped(out, buffer_slice(&text), SHOWN_MAX, LOG_TEXT);
    buffer_dispose(&text);
}

static void put(struct buffer *out, struct slice object, const char *name)
{
    put_escaped(out, json_member(object, name));
}

static bool has(struct slice object, const char *name)
{
    return json_member(object, name).length > 0;
}

/* With words before and behind it; nothing if it is not there. */
static void put_if(struct buffer *out, const char *before, struct slice object, const char *name,
                   const char *behind)
{
    if (!has(object, name))
        return;
    buffer_append_text(out, before);
    put(out, object, name);
    buffer_append_text(out, behind);
}

/* "12:00:01.123" of "2026-11-30T12:00:01.123Z". */
static void put_clock(struct buffer *out, struct slice decision)
{
    struct slice time = json_member(decision, "time");

    if (time.length > 1 + CLOCK_AT + CLOCK_BYTES)
        time = (struct slice){time.start + 1 + CLOCK_AT, CLOCK_BYTES};
    log_append_escaped(out, time, SHOWN_MAX, LOG_TEXT);
}

static bool is_positive(struct slice number)
{
    for (size_t i = 0; i < number.length; i++)
        if (number.start[i] >= '1' && number.start[i] <= '9')
            return true;
    return false;
}

/* --- the backends --- */

static void put_backends(struct buffer *out, struct slice backends)
{
    struct slice rest = json_member(backends, "out"), one;

    if (backends.length == 0)
        return;
    buffer_append_text(out, "  ");
    put(out, backends, "available");
    put_if(out, " of ", backends, "all", " backends ");
    buffer_append_text(out, slice_is(json_member(backends, "available"), SLICE("1"))
                                ? "is available"
                                : "are available");
    if (slice_is(json_member(backends, "panic"), SLICE("true")))
        buffer_append_text(out, ", as panic holds");
    while (json_next(&rest, &one)) {
        put_if(out, "; ", one, "name", " is ");
        put(out, one, "state");
        put_if(out, " since ", one, "since_s", " s");
        put_if(out, ": ", one, "why", "");
    }
    buffer_append_byte(out, '\n');
}

/* --- the tries --- */

static void put_compared(struct buffer *out, struct slice try)
{
    struct slice rest = json_member(try, "compared"), one, value = {"", 0};

    put_if(out, "  by ", try, "chosen_by", "");
    for (unsigned i = 0; json_next(&rest, &one); i++) {
        struct slice next = json_member(one, "value");
        double first = strtod(i > 0 ? value.start : "0", NULL), second = strtod(next.start, NULL);

        if (i > 0)
            buffer_append_text(out, first < second ? " < " : first > second ? " > " : " = ");
        else
            buffer_append_text(out, has(try, "chosen_by") ? ": " : "  ");
        put(out, one, "backend");
        put_if(out, " ", one, "value", "");
        value = next;
    }
}

/* With quotes: the backend of the try before; empty: none. */
static bool was_chosen(struct slice try, struct slice before)
{
    struct slice then = json_member(before, "then");

    if (before.length == 0 || json_is(then, "next"))
        return true;
    return then.length == 0 &&
           !slice_is(json_member(try, "backend"), json_member(before, "backend"));
}

static void put_outcome(struct buffer *out, struct slice try, struct slice decision)
{
    bool is_ok = json_is(json_member(try, "outcome"), "ok"), has_status = has(try, "status");

    buffer_append_text(out, "     ");
    put(out, try, "backend");
    if (is_ok || has_status) {
        put_if(out, " answered ", is_ok ? decision : try, "status", "");
    } else {
        put_if(out, " ", try, "outcome", "");
        put_if(out, " (", try, "error", ")");
    }
    put_if(out, " ", try, "times", " times, together");
    put_if(out, " after ", try, "ms", " ms");
    put_if(out, has_status ? "  on_response -> \"" : "  on_failure -> \"", try, "said", "\"");
    put_if(out, ", which was denied: ", try, "denied", "");
    if (json_is(json_member(try, "then"), "at once"))
        buffer_append_text(out, "  only a kept connection was lost");
    buffer_append_byte(out, '\n');
}

static void put_tries(struct buffer *out, struct slice decision)
{
    struct slice rest = json_member(decision, "tries"), try, before = {"", 0};

    for (; json_next(&rest, &try); before = try) {
        buffer_append_text(out, was_chosen(try, before) ? "  choose  -> " : "  again   -> ");
        put(out, try, "backend");
        put_compared(out, try);
        buffer_append_byte(out, '\n');
        put_outcome(out, try, decision);
    }
}

/* --- the whole --- */

static void put_explained(struct buffer *out, struct slice decision)
{
    struct slice rest = json_member(decision, "explain"), name, value;
    const char *before = "  explain: ";

    for (; json_next_member(&rest, &name, &value); before = ", ") {
        buffer_append_text(out, before);
        put_escaped(out, name);
        buffer_append_byte(out, ' ');
        put_escaped(out, value);
    }
    if (before[0] == ',')
        buffer_append_byte(out, '\n');
}

static void put_end(struct buffer *out, struct slice decision)
{
    struct slice ms = json_member(decision, "ms");

    put_if(out, "  ", decision, "status", "");
    put_if(out, ", grpc-status ", decision, "grpc_status", ",");
    put_if(out, " after ", ms, "total", " ms");
    if (is_positive(json_member(ms, "queue")))
        put_if(out, ", of which it waited ", ms, "queue", " ms for a place");
    if (is_positive(json_member(ms, "policy")))
        put_if(out, ", the script ", ms, "policy", " ms");
    put_if(out, ", trace ", decision, "trace", "");
    buffer_append_byte(out, '\n');
    if (slice_is(json_member(decision, "cut"), SLICE("true")))
        buffer_append_text(out, "  (there was no room for all of it)\n");
}

void explained_put(struct buffer *out, struct slice decision)
{
    struct slice policy = json_member(decision, "policy");

    put_clock(out, decision);
    put_if(out, "  ", decision, "method", "");
    put_if(out, " ", decision, "path", "");
    put_if(out, " from ", decision, "client", "");
    put_if(out, ", request ", decision, "id", "");
    put_if(out, ", edition ", decision, "edition", "");
    put_if(out, has(decision, "edition") ? " of " : ", ", policy, "script", "");
    buffer_append_byte(out, '\n');
    put_backends(out, json_member(decision, "backends"));
    if (slice_is(json_member(policy, "fallback"), SLICE("true")))
        buffer_append_text(out, "  the script failed, and the fallback decided\n");
    put_tries(out, decision);
    put_if(out, "  why: ", decision, "why", "\n");
    put_if(out, "  note: ", decision, "note", "\n");
    put_explained(out, decision);
    put_end(out, decision);
}

/* --- a line for each --- */

static void put_line(struct buffer *out, struct slice decision)
{
    struct slice rest = json_member(decision, "tries"), try;
    const char *before = "  ";

    put_clock(out, decision);
    put_if(out, "  ", decision, "id", "");
    put_if(out, "  ", decision, "status", "");
    put_if(out, " ", json_member(decision, "ms"), "total", " ms");
    put_if(out, "  ", decision, "method", "");
    put_if(out, " ", decision, "path", "");
    for (; json_next(&rest, &try); before = " -> ") {
        put_if(out, before, try, "backend", "");
        if (!json_is(json_member(try, "outcome"), "ok"))
            put_if(out, " ", try, "outcome", "");
    }
    put_if(out, "  (", decision, "why", ")");
    put_if(out, "  (", decision, "note", ")");
    buffer_append_byte(out, '\n');
}

void explained_list(struct buffer *out, struct slice answer)
{
    struct slice rest = json_member(answer, "decisions"), one;

    while (json_next(&rest, &one)) {
        struct buffer before = *out;

        *out = (struct buffer){0}; /* the newest is the last line, as in a log */
        put_line(out, one);
        buffer_append(out, buffer_slice(&before));
        buffer_dispose(&before);
    }
}

/* --- of a log --- */

static int fail(const char *path, const char *why)
{
    fprintf(stderr, "lb: %s: %s\n", path, why);
    return 1;
}

static bool is_sought(struct slice line, const char *id)
{
    return json_is(json_member(line, "id"), id) && has(line, "tries");
}

int explained_in_log(const char *path, const char *id)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    struct buffer out = {0};
    bool is_found = false;
    char *line = NULL;
    size_t room = 0;
    ssize_t length;

    if (file == NULL)
        return fail(path, strerror(errno));
    while (!is_found && (length = getline(&line, &room, file)) > 0) {
        is_found = strstr(line, id) != NULL && is_sought((struct slice){line, (size_t)length}, id);
        if (is_found)
            explained_put(&out, (struct slice){line, (size_t)length});
    }
    free(line);
    if (file != stdin)
        fclose(file);
    if (!is_found)
        return fail(path, "no line of a request with that id, as JSON");
    fwrite(buffer_slice(&out).start, 1, buffer_length(&out), stdout);
    buffer_dispose(&out);
    return fflush(stdout) == 0 ? 0 : 1;
}
