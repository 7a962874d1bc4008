/*
 * source - two steps: the text becomes words, and a path is followed from the
 * script's last "return" through table constructors and variables.
 *
 *   return { health = { interval = 0 } }      health > { > interval
 *   local M = {}  M.health = h  return M      M > M.health > h > h = { > ...
 */
#include "config/source.h"

#include "base/mem.h"
#include "config/words.h"

#include <stdint.h>
#include <stdlib.h>

enum { FOLLOW_DEPTH_MAX = 16, NAMES_MAX = 64 };

/* --- following a path --- */

struct step { /* one part of a path */
    struct slice name;
    unsigned long position; /* 0: it is a name */
};

static bool next_step(const char **path, struct step *step)
{
    const char *at = *path;

    if (*at == '\0')
        return false;
    if (*at == '[') {
        char *end;

        *step = (struct step){.position = strtoul(at + 1, &end, 10)};
        at = *end == ']' ? end + 1 : end;
    } else {
        size_t length = strcspn(at, ".[");

        *step = (struct step){.name = {at, length}};
        at += length;
    }
    *path = *at == '.' ? at + 1 : at;
    return true;
}

/* The key of the entry that starts here, and where its value starts. A value
 * without a key has a position. */
static struct step entry_key(const struct word *word, const struct word **value,
                             unsigned long *next)
{
    if (word->kind == WORD_NAME && is_mark(word + 1, "=")) {
        *value = word + 2;
        return (struct step){.name = word->text};
    }
    if (is_mark(word, "[") && word[1].kind != WORD_END && is_mark(word + 2, "]") &&
        is_mark(word + 3, "=")) {
        *value = word + 4;
        if (word[1].kind == WORD_NUMBER)
            return (struct step){.position = strtoul(word[1].text.start, NULL, 10)};
        return (struct step){.name = word[1].text};
    }
    *value = word;
    return (struct step){.position = (*next)++};
}

static bool is_step(struct step a, struct step b)
{
    return a.position == b.position && slice_is(a.name, b.name);
}

/* Behind the next "," or ";" of this constructor; NULL if it ends before. */
static const struct word *skip_entry(const struct word *word)
{
    int depth = 0;

    for (; word->kind != WORD_END; word++) {
        if (depth == 0 && (is_mark(word, ",") || is_mark(word, ";")))
            return word + 1;
        depth += words_depth_change(word);
        if (depth < 0)
            return NULL;
    }
    return NULL;
}

struct finding {
    const struct word *value; /* NULL: not found */
    unsigned line;
};

static struct finding find_in_constructor(const struct word *brace, struct step step)
{
    unsigned long next = 1;

    for (const struct word *word = brace + 1; word != NULL && !is_mark(word, "}");
         word = skip_entry(word)) {
        const struct word *value;

        if (is_step(entry_key(word, &value, &next), step))
            return (struct finding){value, word->line};
    }
    return (struct finding){NULL, 0};
}

/* "M.name = value", "M["name"] = value" or "function M.name" */
static const struct word *assigned_member(const struct words *words, const struct word *word,
                                          struct step step)
{
    if (is_mark(word + 1, ".") && slice_is(word[2].text, step.name)) {
        bool is_method = word != words->list && word_is(word - 1, WORD_NAME, "function");

        return is_mark(word + 3, "=") ? word + 4 : is_method ? word + 3 : NULL;
    }
    if (is_mark(word + 1, "[") && word[2].kind == WORD_STRING &&
        slice_is(word[2].text, step.name) && is_mark(word + 3, "]") && is_mark(word + 4, "="))
        return word + 5;
    return NULL;
}

static struct finding find_member(const struct words *words, struct slice variable,
                                  struct step step)
{
    struct finding found = {NULL, 0};

    if (step.position > 0)
        return found;
    for (size_t i = 0; i + 5 < words->count; i++) {
        const struct word *word = &words->list[i], *value;

        if (word->kind != WORD_NAME || !slice_is(word->text, variable))
            continue;
        value = assigned_member(words, word, step);
        if (value != NULL)
            found = (struct finding){value, word->line};
    }
    return found;
}

/* What a variable was set to last, before a place in the text. */
static const struct word *variable_value(const struct words *words, struct slice variable,
                                         const struct word *before)
{
    const struct word *value = NULL;

    for (const struct word *word = words->list; word + 2 < before; word++)
        if (word->kind == WORD_NAME && slice_is(word->text, variable) && is_mark(word + 1, "=") &&
            (word == words->list || !is_mark(word - 1, ".")))
            value = word + 2;
    return value;
}

/* Is a name all there is to this value, rather than the start of a call? */
static bool is_variable(const struct word *value)
{
    const struct word *next = value + 1;

    return value->kind == WORD_NAME && !is_mark(next, ".") && !is_mark(next, "(") &&
           !is_mark(next, "[") && !is_mark(next, ":") && !is_mark(next, "{") &&
           next->kind != WORD_STRING;
}

/* The brace of require "name" { .. }, or NULL. */
static const struct word *required_options(const struct word *require)
{
    const struct word *at = require + 1;
    bool is_bracketed = is_mark(at, "(");

    at += is_bracketed;
    if (at->kind != WORD_STRING)
        return NULL;
    at++;
    if (is_bracketed && !is_mark(at++, ")"))
        return NULL;
    at += is_mark(at, "(");
    return is_mark(at, "{") ? at : NULL;
}

static struct finding find_step(const struct words *words, const struct word *value,
                                struct step step, int depth)
{
    struct finding found = {NULL, 0};

    if (value == NULL || depth > FOLLOW_DEPTH_MAX)
        return found;
    if (is_mark(value, "{"))
        return find_in_constructor(value, step);
    if (word_is(value, WORD_NAME, "require") && required_options(value) != NULL)
        return find_in_constructor(required_options(value), step);
    if (value->kind == WORD_NAME && is_mark(value + 1, "(")) /* setmetatable({ .. }, ..) */
        return find_step(words, value + 2, step, depth + 1);
    if (!is_variable(value))
        return found;
    found = find_member(words, value->text, step);
    if (found.value == NULL)
        found = find_step(words, variable_value(words, value->text, value), step, depth + 1);
    return found;
}

/* What the script returns: behind the last "return" that is in no block. */
static const struct word *returned_value(const struct words *words)
{
    const struct word *value = NULL;
    int depth = 0;

    for (const struct word *word = words->list; word->kind != WORD_END; word++) {
        if (depth == 0 && word_is(word, WORD_NAME, "return"))
            value = word + 1;
        depth += words_depth_change(word);
    }
    return value;
}

/* Follows the path as far as it goes; false if that is not all of it. */
static bool follow(struct slice source, const char *path, unsigned *line)
{
    struct words words = {0};
    const struct word *value;
    struct step step;

    words_split(source, &words);
    value = returned_value(&words);
    *line = value != NULL ? value->line : 0;
    while (value != NULL && next_step(&path, &step)) {
        struct finding found = find_step(&words, value, step, 0);

        if (found.value != NULL)
            *line = found.line;
        value = found.value;
    }
    mem_free(words.list);
    return value != NULL;
}

unsigned source_find_line(struct slice source, const char *path)
{
    unsigned line;

    follow(source, path, &line);
    return line;
}

bool source_has(struct slice source, const char *path)
{
    unsigned line;

    return follow(source, path, &line);
}

/* Not behind ".." or "::", where a name is a variable or a label. */
static bool names_method(const struct words *words, size_t i, const char *name)
{
    const struct word *word = &words->list[i], *before = word - 1;

    if (i == 0 || !slice_is(word->text, slice_of(name)))
        return false;
    if (word->kind == WORD_STRING)
        return is_mark(before, "[") && is_mark(word + 1, "]");
    if (word->kind != WORD_NAME || !(is_mark(before, ":") || is_mark(before, ".")))
        return false;
    return i == 1 || !slice_is(before[-1].text, before->text);
}

unsigned source_find_method(struct slice source, const char *name)
{
    struct words words = {0};
    unsigned line = 0;

    words_split(source, &words);
    for (size_t i = 0; line == 0 && i < words.count; i++)
        if (names_method(&words, i, name))
            line = words.list[i].line;
    mem_free(words.list);
    return line;
}

/* --- given twice --- */

/* The name in "name =" or "["name"] ="; NULL: it has none, or a variable in brackets. */
static struct slice written_name(const struct word *entry, const struct step *key)
{
    bool is_name = key->position == 0 && (entry->kind == WORD_NAME ||
                                          (is_mark(entry, "[") && entry[1].kind == WORD_STRING));

    return is_name ? key->name : (struct slice){NULL, 0};
}

static struct source_twice find_twice(const struct word *brace, int depth)
{
    struct source_twice seen[NAMES_MAX], found = {{NULL, 0}, 0, 0};
    unsigned count = 0;
    unsigned long next = 1;

    for (const struct word *word = brace + 1;
         word != NULL && !is_mark(word, "}") && found.second == 0; word = skip_entry(word)) {
        const struct word *value;
        struct step step = entry_key(word, &value, &next);
        struct slice name = written_name(word, &step);

        for (unsigned i = 0; name.start != NULL && i < count; i++)
            if (slice_is(seen[i].name, name))
                found = (struct source_twice){name, seen[i].first, word->line};
        if (name.start != NULL && count < NAMES_MAX)
            seen[count++] = (struct source_twice){.name = name, .first = word->line};
        if (found.second == 0 && is_mark(value, "{") && depth < FOLLOW_DEPTH_MAX)
            found = find_twice(value, depth + 1);
    }
    return found;
}

struct source_twice source_find_twice(struct slice source)
{
    struct source_twice found = {{NULL, 0}, 0, 0};
    struct words words = {0};
    const struct word *value;

    words_split(source, &words);
    value = returned_value(&words);
    if (value != NULL && word_is(value, WORD_NAME, "require"))
        value = required_options(value);
    else if (value != NULL && is_variable(value))
        value = variable_value(&words, value->text, value);
    if (value != NULL && is_mark(value, "{"))
        found = find_twice(value, 0);
    mem_free(words.list);
    return found;
}
