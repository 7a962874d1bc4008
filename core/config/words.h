/*
 * words - the text of a script as its words, strings and brackets, for config/source.c.
 */
#ifndef CONFIG_WORDS_H
#define CONFIG_WORDS_H

#include "base/slice.h"

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

/* Into an empty one; its list is the caller's. */
void words_split(struct slice source, struct words *);
/* How much deeper is the code behind this word? "for" and "while" open with
 * their "do". */
int words_depth_change(const struct word *);

static inline bool word_is(const struct word *word, enum word_kind kind, const char *text)
{
    return word->kind == kind && slice_is(word->text, slice_of(text));
}

static inline bool is_mark(const struct word *word, const char *mark)
{
    return word_is(word, WORD_MARK, mark);
}

#endif
