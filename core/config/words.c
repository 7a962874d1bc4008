#include "config/words.h"

#include "base/mem.h"

struct reader {
    const char *at, *end;
    unsigned line;
    struct words *words;
};

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

static bool is_name_byte(char c)
{
    return ascii_is_alphanumeric(c) || c == '_' || (unsigned char)c >= 0x80;
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

/* A line may end behind a backslash, and any number of them behind "\z". */
static void skip_escape(struct reader *r)
{
    const char *what = ++r->at;

    skip_byte(r);
    if (*what == '\r' && r->at < r->end && *r->at == '\n')
        skip_byte(r);
    while (*what == 'z' && r->at < r->end && *r->at != '\0' && strchr(" \t\r\n\v\f", *r->at))
        skip_byte(r);
}

static void read_string(struct reader *r)
{
    char quote = *r->at++;
    const char *start = r->at;
    unsigned line = r->line;

    while (r->at < r->end && *r->at != quote && *r->at != '\n') {
        if (*r->at == '\\' && r->at + 1 < r->end)
            skip_escape(r);
        else
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

    while (r->at < r->end && (is_name_byte(*r->at) || (ascii_is_digit(*start) && *r->at == '.')))
        r->at++;
    add_word(r, ascii_is_digit(*start) ? WORD_NUMBER : WORD_NAME, start, r->at, r->line);
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

void words_split(struct slice source, struct words *words)
{
    struct reader r = {source.start, source.start + source.length, 1, words};

    while (r.at < r.end)
        read_word(&r);
    add_word(&r, WORD_END, r.end, r.end, r.line);
}

int words_depth_change(const struct word *word)
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
