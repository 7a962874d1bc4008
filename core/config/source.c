/*
 * source - two steps: the text becomes words, and a path is followed from the
 * script's last "return" through table constructors and variables.
 *
 *   return { health = { interval = 0 } }      health > { > interval
 *   local M = {}  M.health = h  return M      M > M.health > h > h = { > ...
 */
#include "config/source.h"

#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>

enum { FOLLOW_DEPTH_MAX = 16 };

enum word_kind { WORD_NAME, WORD_STRING, WORD_NUMBER, WORD_MARK, WORD_END };

struct word {
    enum word_kind kind;
    struct slice text; /* of a string: what is between the quotes */
    unsigned line;
};

struct words {
    struct word *list; /* the last one is a WORD_END */
    size_t count, capacity;
};

struct reader {
    const char *at, *end;
    unsigned line;
    struct words *words;
};

/* --- the text becomes words --- */

static void add_word(struct reader *r, enum word_kind kind, const char *start, const char *end,
                     unsigned line)
{
    struct words *words = r->words;

    if (words->count == words->capacity) {
        words->capacity = words->capacity > 0 ? words->capacity * 2 : 256;
        words->list = mem_realloc(words->list, words->capacity * sizeof *words->list);
    }
    words->list[words->count++] = (struct word){kind, {start, (size_t)(end - start)}, line};
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_byte(char c)
{
    return is_digit(c) || c == '_' || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') ||
           (unsigned char)c >= 0x80;
}

static void skip_byte(struct reader *r)
{
    if (*r->at == '\n')
        r->line++;
    r->at++;
}

/* The level of a "[[" or "[==[" that starts here, or -1. */
static int long_bracket(const struct reader *r)
{
    const char *at = r->at;
    int level = 0;

    if (at == r->end || *at++ != '[')
        return -1;
    while (at < r->end && *at == '=')
        at++, level++;
    return at < r->end && *at == '[' ? level : -1;
}

static bool closes(const struct reader *r, int level)
{
    const char *at = r->at;

    if (r->end - at < level + 2 || *at++ != ']')
        return false;
    for (int i = 0; i < level; i++)
        if (*at++ != '=')
            return false;
    return *at == ']';
}

/* From "[==[" to behind "]==]"; the end of what is between them. */
static const char *skip_long(struct reader *r, int level)
{
    const char *end;

    r->at += level + 2;
    while (r->at < r->end && !closes(r, level))
        skip_byte(r);
    end = r->at;
    r->at = r->at < r->end ? r->at + level + 2 : r->end;
    return end;
}

static void skip_comment(struct reader *r)
{
    int level;

    r->at += 2;
    level = long_bracket(r);
    if (level >= 0) {
        skip_long(r, level);
        return;
    }
    while (r->at < r->end && *r->at != '\n')
        r->at++;
}

static void read_string(struct reader *r)
{
    char quote = *r->at++;
    const char *start = r->at;
    unsigned line = r->line;

    while (r->at < r->end && *r->at != quote && *r->at != '\n') {
        if (*r->at == '\\' && r->at + 1 < r->end)
            r->at++;
        skip_byte(r);
    }
    add_word(r, WORD_STRING, start, r->at, line);
    if (r->at < r->end)
        skip_byte(r);
}

static void read_long_string(struct reader *r, int level)
{
    const char *start = r->at + level + 2;
    unsigned line = r->line;
    const char *end = skip_long(r, level);

    add_word(r, WORD_STRING, start, end < start ? start : end, line);
}

static void read_name(struct reader *r)
{
    const char *start = r->at;

    while (r->at < r->end && (is_name_byte(*r->at) || (is_digit(*start) && *r->at == '.')))
        r->at++;
    add_word(r, is_digit(*start) ? WORD_NUMBER : WORD_NAME, start, r->at, r->line);
}

/* "==", "~=" and the like are one word, so that "=" is always an assignment. */
static void read_mark(struct reader *r)
{
    const char *start = r->at++;

    if (r->at < r->end && *r->at == '=' && strchr("=~<>", *start) != NULL && *start != '\0')
        r->at++;
    add_word(r, WORD_MARK, start, r->at, r->line);
}

static void read_word(struct reader *r)
{
    char c = *r->at;
    int level = c == '[' ? long_bracket(r) : -1;

    if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
        skip_byte(r);
    else if (c == '-' && r->end - r->at >= 2 && r->at[1] == '-')
        skip_comment(r);
    else if (c == '"' || c == '\'')
        read_string(r);
    else if (level >= 0)
        read_long_string(r, level);
    else if (is_name_byte(c))
        read_name(r);
    else
        read_mark(r);
}

static void read_words(struct slice source, struct words *words)
{
    struct reader r = {source.start, source.start + source.length, 1, words};

    while (r.at < r.end)
        read_word(&r);
    add_word(&r, WORD_END, r.end, r.end, r.line);
}

/* --- questions about words --- */

static bool word_is(const struct word *word, enum word_kind kind, const char *text)
{
    return word->kind == kind && slice_is(word->text, slice_of(text));
}

static bool is_mark(const struct word *word, const char *mark)
{
    return word_is(word, WORD_MARK, mark);
}

/* How much deeper is the code behind this word? "for" and "while" open with
 * their "do". */
static int depth_change(const struct word *word)
{
    static const char *const marks[] = {"({[", ")}]"};
    static const char *const names[] = {"function", "if", "do", "repeat", "end", "until"};

    if (word->kind == WORD_MARK && word->text.length == 1)
        for (int i = 0; i < 2; i++)
            if (memchr(marks[i], word->text.start[0], 3) != NULL)
                return i == 0 ? 1 : -1;
    for (int i = 0; i < 6; i++)
        if (word_is(word, WORD_NAME, names[i]))
            return i < 4 ? 1 : -1;
    return 0;
}

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
        depth += depth_change(word);
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
        depth += depth_change(word);
    }
    return value;
}

/* Follows the path as far as it goes; false if that is not all of it. */
static bool follow(struct slice source, const char *path, unsigned *line)
{
    struct words words = {0};
    const struct word *value;
    struct step step;

    read_words(source, &words);
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

    read_words(source, &words);
    for (size_t i = 0; line == 0 && i < words.count; i++)
        if (names_method(&words, i, name))
            line = words.list[i].line;
    mem_free(words.list);
    return line;
}
