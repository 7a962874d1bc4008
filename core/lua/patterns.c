/*
 * Backtracking: `match` finds where the rest of a pattern ends if it begins at `s`, and calls
 * itself for what is behind an item that may be repeated, optional or captured. What ends the whole
 * search is noted in `outcome`; from then on nothing matches.
 */
#include "lua/patterns.h"

#include "base/clock.h"

#include <stdatomic.h>
#include <string.h>

enum { DEPTH_MAX = 200, STEPS_PER_LOOK = 1 << 14 };
enum { UNFINISHED = -2 }; /* the length of a capture that is still open */

typedef unsigned char byte;

struct matcher {
    const byte *text, *text_end, *pattern_end;
    unsigned depth, steps;
    enum patterns_outcome outcome; /* PATTERNS_NOT_FOUND: it continues */
    const char *error;
    int captures;
    struct {
        const byte *start;
        ptrdiff_t length;
    } capture[PATTERNS_CAPTURES_MAX];
};

static atomic_bool is_stopped;
static uint64_t stop_at_us;

void patterns_stop(bool stop)
{
    atomic_store_explicit(&is_stopped, stop, memory_order_relaxed);
}

void patterns_stop_at(uint64_t thread_cpu_us)
{
    stop_at_us = thread_cpu_us;
}

static bool time_is_over(void)
{
    return stop_at_us != 0 && clock_thread_us() >= stop_at_us;
}

/* Of everything that may be done more often than the pattern is long; false: give up. */
static inline bool step(struct matcher *m)
{
    if (__builtin_expect(atomic_load_explicit(&is_stopped, memory_order_relaxed), 0) ||
        (__builtin_expect(++m->steps % STEPS_PER_LOOK == 0, 0) && time_is_over()))
        m->outcome = PATTERNS_STOPPED;
    return m->outcome == PATTERNS_NOT_FOUND;
}

static const byte *malformed(struct matcher *m, const char *error)
{
    if (m->outcome == PATTERNS_NOT_FOUND) {
        m->outcome = PATTERNS_MALFORMED;
        m->error = error;
    }
    return NULL;
}

/* --- single characters --- */

static bool is_within(byte c, byte least, byte most)
{
    return c >= least && c <= most;
}

static bool is_letter(byte c)
{
    return is_within(c | 0x20, 'a', 'z');
}

static bool is_digit(byte c)
{
    return is_within(c, '0', '9');
}

/* "%a" and so on, in ASCII; a class in capitals is its opposite. */
static bool class_has(byte class, byte c)
{
    bool has;

    switch (class | 0x20) {
    case 'a':
        has = is_letter(c);
        break;
    case 'c':
        has = c < 0x20 || c == 0x7f;
        break;
    case 'd':
        has = is_digit(c);
        break;
    case 'g':
        has = is_within(c, 0x21, 0x7e);
        break;
    case 'l':
        has = is_within(c, 'a', 'z');
        break;
    case 'p':
        has = is_within(c, 0x21, 0x7e) && !is_letter(c) && !is_digit(c);
        break;
    case 's':
        has = c == ' ' || is_within(c, '\t', '\r');
        break;
    case 'u':
        has = is_within(c, 'A', 'Z');
        break;
    case 'w':
        has = is_letter(c) || is_digit(c);
        break;
    case 'x':
        has = is_digit(c) || is_within(c | 0x20, 'a', 'f');
        break;
    case 'z':
        has = c == 0;
        break;
    default:
        return class == c;
    }
    return class & 0x20 ? has : !has;
}

/* From "[" at p to the "]" at last. */
static bool set_has(const byte *p, const byte *last, byte c)
{
    bool if_found = true;

    if (*++p == '^') {
        if_found = false;
        p++;
    }
    for (; p < last; p++) {
        if (*p == '%') {
            if (class_has(*++p, c))
                return if_found;
        } else if (last - p > 2 && p[1] == '-') {
            if (is_within(c, p[0], p[2]))
                return if_found;
            p += 2;
        } else if (*p == c) {
            return if_found;
        }
    }
    return !if_found;
}

/* Behind the set whose "[" is at p. A "]" that comes first is one of its characters. */
static const byte *end_of_set(struct matcher *m, const byte *p)
{
    const byte *end = m->pattern_end;

    p++;
    if (p < end && *p == '^')
        p++;
    do {
        if (p == end)
            return malformed(m, "malformed pattern (missing ']')");
        if (*p++ == '%' && p < end)
            p++;
    } while (p == end || *p != ']');
    return p + 1;
}

/* Behind what stands for one character: "x", ".", "%a", "[set]". */
static const byte *end_of_single(struct matcher *m, const byte *p)
{
    if (*p == '[')
        return end_of_set(m, p);
    if (*p != '%')
        return p + 1;
    if (p + 1 == m->pattern_end)
        return malformed(m, "malformed pattern (ends with '%')");
    return p + 2;
}

static bool single_fits(const struct matcher *m, const byte *s, const byte *p, const byte *p_end)
{
    if (s == m->text_end)
        return false;
    switch (*p) {
    case '.':
        return true;
    case '%':
        return class_has(p[1], *s);
    case '[':
        return set_has(p, p_end - 1, *s);
    default:
        return *p == *s;
    }
}

/* --- items --- */

static const byte *match(struct matcher *, const byte *s, const byte *p);

/* "x*", "x+": as many as there are, then fewer. */
static const byte *match_most(struct matcher *m, const byte *s, const byte *p, const byte *p_end,
                              ptrdiff_t least)
{
    ptrdiff_t count = 0;

    while (single_fits(m, s + count, p, p_end) && step(m))
        count++;
    for (; count >= least && step(m); count--) {
        const byte *end = match(m, s + count, p_end + 1);

        if (end != NULL)
            return end;
    }
    return NULL;
}

/* "x-": none, then more. */
static const byte *match_fewest(struct matcher *m, const byte *s, const byte *p, const byte *p_end)
{
    while (step(m)) {
        const byte *end = match(m, s, p_end + 1);

        if (end != NULL)
            return end;
        if (!single_fits(m, s, p, p_end))
            return NULL;
        s++;
    }
    return NULL;
}

/* "%bxy" at p: behind the y that belongs to the x at s. */
static const byte *match_balanced(struct matcher *m, const byte *s, const byte *p)
{
    size_t open = 1;

    if (m->pattern_end - p < 4)
        return malformed(m, "unbalanced pattern");
    if (s == m->text_end || *s != p[2])
        return NULL;
    while (++s < m->text_end && step(m)) {
        if (*s == p[3] && --open == 0)
            return s + 1;
        if (*s == p[2] && p[2] != p[3])
            open++;
    }
    return NULL;
}

/* "%f[set]" at p: where the pattern continues, if the set begins to hold at s. */
static const byte *match_frontier(struct matcher *m, const byte *s, const byte *p)
{
    const byte *set = p + 2, *end;
    byte before = s == m->text ? 0 : s[-1], here = s == m->text_end ? 0 : *s;

    if (set == m->pattern_end || *set != '[')
        return malformed(m, "missing '[' after '%f' in pattern");
    end = end_of_set(m, set);
    if (end == NULL || set_has(set, end - 1, before) || !set_has(set, end - 1, here))
        return NULL;
    return end;
}

/* "%1" and so on: the same text again. */
static const byte *match_back(struct matcher *m, const byte *s, byte digit)
{
    int index = digit - '1';
    ptrdiff_t length;

    if (index < 0 || index >= m->captures || m->capture[index].length == UNFINISHED)
        return malformed(m, "invalid capture index");
    length = m->capture[index].length;
    if (length < 0 || m->text_end - s < length ||
        memcmp(m->capture[index].start, s, (size_t)length) != 0)
        return NULL;
    return s + length;
}

static const byte *open_capture(struct matcher *m, const byte *s, const byte *p)
{
    bool is_position = p + 1 < m->pattern_end && p[1] == ')';
    const byte *end;

    if (m->captures == PATTERNS_CAPTURES_MAX)
        return malformed(m, "too many captures");
    m->capture[m->captures].start = s;
    m->capture[m->captures].length = is_position ? PATTERNS_POSITION : UNFINISHED;
    m->captures++;
    end = match(m, s, is_position ? p + 2 : p + 1);
    if (end == NULL)
        m->captures--;
    return end;
}

static const byte *close_capture(struct matcher *m, const byte *s, const byte *p)
{
    int index = m->captures - 1;
    const byte *end;

    while (index >= 0 && m->capture[index].length != UNFINISHED)
        index--;
    if (index < 0)
        return malformed(m, "invalid pattern capture");
    m->capture[index].length = s - m->capture[index].start;
    end = match(m, s, p + 1);
    if (end == NULL)
        m->capture[index].length = UNFINISHED;
    return end;
}

/* An item of one character and what may stand behind it. True: continue at *s and *p; false: *end
 * has the answer. */
static bool match_single(struct matcher *m, const byte **s, const byte **p, const byte **end)
{
    const byte *p_end = end_of_single(m, *p);

    *end = NULL;
    if (p_end == NULL)
        return false;
    switch (p_end < m->pattern_end ? *p_end : 0) {
    case '*':
        *end = match_most(m, *s, *p, p_end, 0);
        return false;
    case '+':
        *end = match_most(m, *s, *p, p_end, 1);
        return false;
    case '-':
        *end = match_fewest(m, *s, *p, p_end);
        return false;
    case '?':
        if (single_fits(m, *s, *p, p_end) && (*end = match(m, *s + 1, p_end + 1)) != NULL)
            return false;
        *p = p_end + 1;
        return true;
    default:
        if (!single_fits(m, *s, *p, p_end))
            return false;
        *s += 1;
        *p = p_end;
        return true;
    }
}

static const byte *match_items(struct matcher *m, const byte *s, const byte *p)
{
    while (s != NULL && p != NULL && p < m->pattern_end && step(m)) {
        byte next = p + 1 < m->pattern_end ? p[1] : 0;
        const byte *end;

        if (*p == '(')
            return open_capture(m, s, p);
        if (*p == ')')
            return close_capture(m, s, p);
        if (*p == '$' && p + 1 == m->pattern_end)
            return s == m->text_end ? s : NULL;
        if (*p == '%' && next == 'b') {
            s = match_balanced(m, s, p);
            p += 4;
        } else if (*p == '%' && next == 'f') {
            p = match_frontier(m, s, p);
        } else if (*p == '%' && is_digit(next)) {
            s = match_back(m, s, next);
            p += 2;
        } else if (!match_single(m, &s, &p, &end)) {
            return end;
        }
    }
    return p != NULL && m->outcome == PATTERNS_NOT_FOUND ? s : NULL;
}

static const byte *match(struct matcher *m, const byte *s, const byte *p)
{
    const byte *end;

    if (m->depth == DEPTH_MAX)
        return malformed(m, "pattern too complex");
    m->depth++;
    end = match_items(m, s, p);
    m->depth--;
    return end;
}

/* --- searches --- */

static int32_t give_match(struct matcher *m, const byte *s, const byte *end,
                          struct patterns_match *out)
{
    out->first = (int32_t)(s - m->text) + 1;
    out->last = (int32_t)(end - m->text);
    out->captures = m->captures;
    for (int i = 0; i < m->captures; i++) {
        if (m->capture[i].length == UNFINISHED)
            malformed(m, "unfinished capture");
        out->starts[i] = (int32_t)(m->capture[i].start - m->text) + 1;
        out->lengths[i] = (int32_t)m->capture[i].length;
    }
    out->error = m->error;
    return m->outcome == PATTERNS_NOT_FOUND ? PATTERNS_FOUND : m->outcome;
}

/* memmem takes time as the lengths do, not their product. */
static int32_t find_plain(struct matcher *m, const byte *start, const byte *pattern,
                          struct patterns_match *out)
{
    size_t length = (size_t)(m->pattern_end - pattern);
    const byte *s = memmem(start, (size_t)(m->text_end - start), pattern, length);

    return s != NULL ? give_match(m, s, s + length, out) : PATTERNS_NOT_FOUND;
}

int32_t patterns_find(const struct patterns_search *search, struct patterns_match *out)
{
    const byte *p = (const byte *)search->pattern, *s = (const byte *)search->text, *end;
    bool is_held = (search->flags & PATTERNS_ANCHORED) && search->pattern_length > 0 && *p == '^';
    struct matcher m; /* its captures are written before they are read */

    m.text = s;
    m.text_end = s + search->length;
    m.pattern_end = p + search->pattern_length;
    m.depth = m.steps = 0;
    m.outcome = PATTERNS_NOT_FOUND;
    m.error = NULL;
    m.captures = 0;
    s += search->from < search->length ? search->from : search->length;
    if (search->flags & PATTERNS_PLAIN)
        return find_plain(&m, s, p, out);
    if (is_held)
        p++;
    do {
        end = match(&m, s, p);
        if (end != NULL)
            return give_match(&m, s, end, out);
    } while (!is_held && s++ < m.text_end && step(&m));
    out->error = m.error;
    return m.outcome;
}

bool patterns_is_plain(const char *pattern, size_t length)
{
    static const bool is_special[256] = {
        ['^'] = true, ['$'] = true, ['*'] = true, ['+'] = true, ['?'] = true,
        ['.'] = true, ['('] = true, ['['] = true, ['%'] = true, ['-'] = true,
    };

    for (size_t i = 0; i < length; i++)
        if (is_special[(byte)pattern[i]])
            return false;
    return true;
}
