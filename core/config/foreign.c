/*
 * A guess goes by the first lines that say something:
 *
 *   { "backends": [         JSON        upstream web {        nginx
 *   backends:               YAML        frontend web          HAProxy
 *   [server]                TOML        <html>                a page
 */
#include "config/foreign.h"

#define INSTEAD ": lb takes a Lua script, as in return { backends = \"host:port\" }"

enum { LINES_MAX = 200, SAMPLE_BYTES = 64 };

/* --- bytes --- */

/* Every other byte of a sample is NUL. */
static bool is_wide(struct slice text)
{
    size_t length = text.length < SAMPLE_BYTES ? text.length : SAMPLE_BYTES, zeros[2] = {0, 0};

    for (size_t i = 0; i < length; i++)
        zeros[i % 2] += text.start[i] == '\0';
    return length >= 4 && (zeros[0] * 4 >= length || zeros[1] * 4 >= length);
}

static const char *guess_by_bytes(struct slice text)
{
    if (slice_begins(text, SLICE("\xff\xfe")) || slice_begins(text, SLICE("\xfe\xff")))
        return "this is UTF-16: save it as UTF-8";
    if (slice_begins(text, SLICE("\x1bLJ")) || slice_begins(text, SLICE("\x1bLua")))
        return "this is compiled Lua: lb takes the source";
    if (slice_begins(text, SLICE("\x7f"
                                 "ELF")) ||
        slice_begins(text, SLICE("\x1f\x8b")))
        return "this is a binary file" INSTEAD;
    if (is_wide(text))
        return "this is UTF-16 without its mark: save it as UTF-8";
    return text.length > 0 && memchr(text.start, '\0', text.length) != NULL
               ? "there are NUL bytes in it: this is no text"
               : NULL;
}

/* --- lines --- */

/* Without the white space at both ends; false after the last. */
static bool next_line(struct slice *rest, struct slice *line, bool *is_indented)
{
    if (rest->length == 0)
        return false;
    *line = slice_take_until(rest, '\n');
    if (line->length > 0 && line->start[line->length - 1] == '\r')
        line->length--;
    *is_indented = line->length > 0 && (line->start[0] == ' ' || line->start[0] == '\t');
    *line = slice_trim(*line);
    return true;
}

static struct slice first_word(struct slice line)
{
    size_t length = 0;

    while (length < line.length && line.start[length] != ' ' && line.start[length] != '\t')
        length++;
    return (struct slice){line.start, length};
}

static bool is_one_of(struct slice word, const char *const *words)
{
    for (; *words != NULL; words++)
        if (slice_is(word, slice_of(*words)))
            return true;
    return false;
}

static bool ends_with_byte(struct slice line, char c)
{
    return line.length > 0 && line.start[line.length - 1] == c;
}

static bool is_nginx(struct slice line)
{
    static const char *const blocks[] = {"http",   "events", "server",   "upstream",
                                         "stream", "mail",   "location", NULL};
    static const char *const words[] = {"user",       "worker_processes", "error_log", "pid",
                                        "proxy_pass", "load_module",      "include",   NULL};
    struct slice word = first_word(line);

    return (is_one_of(word, blocks) && ends_with_byte(line, '{')) ||
           (is_one_of(word, words) && ends_with_byte(line, ';'));
}

static bool is_haproxy(struct slice line, bool is_indented)
{
    static const char *const sections[] = {"global",  "defaults", "frontend",
                                           "backend", "listen",   NULL};
    struct slice word = first_word(line);

    for (size_t i = word.length; i < line.length; i++)
        if (strchr("=({,.:", line.start[i]) != NULL)
            return false;
    return !is_indented && is_one_of(word, sections);
}

/* "backends:" or "listen: 80"; a method of Lua has no space behind its colon. */
static bool is_yaml(struct slice line)
{
    size_t at = 0;

    if (slice_begins(line, SLICE("- ")))
        return true;
    while (at < line.length && strchr(" \t:={}()[],;\"'", line.start[at]) == NULL)
        at++;
    return at > 0 && at < line.length && line.start[at] == ':' &&
           (at + 1 == line.length || line.start[at + 1] == ' ');
}

/* Braces at the start: a table without its return, or JSON. */
static const char *guess_braces(struct slice text)
{
    size_t at = 1;

    while (at < text.length && strchr(" \t\r\n", text.start[at]) != NULL)
        at++;
    return at < text.length && strchr("\"}[]{", text.start[at]) != NULL
               ? "this looks like JSON" INSTEAD
               : "a script returns its table: return { ... }";
}

static const char *guess_first_line(struct slice line)
{
    if (line.start[0] == '<')
        return "this looks like a page or XML" INSTEAD;
    if (line.start[0] == '[')
        return line.length > 1 && strchr("\"{[", line.start[1]) == NULL && ends_with_byte(line, ']')
                   ? "this looks like TOML" INSTEAD
                   : "this looks like JSON" INSTEAD;
    return is_yaml(line) ? "this looks like YAML" INSTEAD : NULL;
}

static bool says_nothing(struct slice line)
{
    return line.length == 0 || line.start[0] == '#' || slice_is(line, SLICE("---"));
}

const char *foreign_guess(struct slice text)
{
    const char *guess = guess_by_bytes(text);
    bool is_first = true, is_indented;
    struct slice line;

    if (slice_begins(text, SLICE("\xef\xbb\xbf")))
        text = slice_from(text, 3);
    for (int i = 0; guess == NULL && i < LINES_MAX && next_line(&text, &line, &is_indented); i++) {
        if (says_nothing(line))
            continue;
        if (is_nginx(line))
            guess = "this looks like a configuration of nginx" INSTEAD;
        else if (is_haproxy(line, is_indented))
            guess = "this looks like a configuration of HAProxy" INSTEAD;
        else if (is_first && line.start[0] == '{')
            guess = guess_braces(
                (struct slice){line.start, (size_t)(text.start + text.length - line.start)});
        else if (is_first)
            guess = guess_first_line(line);
        is_first = false;
    }
    return guess;
}
