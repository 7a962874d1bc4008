/*
 *   SIZE_FIRST > SIZE > [EXT_NAME > EXT_VALUE | QUOTED] > SIZE_LF > DATA > DATA_CR > DATA_LF > SIZE_FIRST
 *                                                            |
 *                              size 0: LINE > [NAME > VALUE > VALUE_LF > LINE] > END_LF > COMPLETE
 */
#include "http/chunks.h"

enum state {
    SIZE_FIRST,
    SIZE,
    EXT_NAME_FIRST,
    EXT_NAME,
    EXT_VALUE_FIRST,
    EXT_VALUE,
    QUOTED,
    QUOTED_PAIR,
    QUOTED_END,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    LINE,
    NAME,
    VALUE,
    VALUE_LF,
    END_LF,
    COMPLETE,
    WRONG,
    ENDLESS,
};

bool is_token_byte(char c)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr(others, c) != NULL);
}

/* White space and what is no control byte; above 0x7f is opaque (RFC 9110, 5.5). */
static bool is_text_byte(char c)
{
    unsigned char byte = (unsigned char)c;

    return byte == '\t' || (byte >= ' ' && byte != 0x7f);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum state after_digit(struct chunks *chunks, char c)
{
    int digit = hex_value(c);

    if (digit < 0 || chunks->left >> 60 != 0)
        return WRONG;
    chunks->left = chunks->left << 4 | (unsigned)digit;
    return SIZE;
}

/* Behind a size or a whole extension. */
static enum state after_size(char c)
{
    return c == '\r' ? SIZE_LF : c == ';' ? EXT_NAME_FIRST : WRONG;
}

static enum state expect(char c, char wanted, enum state next)
{
    return c == wanted ? next : WRONG;
}

static enum state chunks_extension(enum state state, char c)
{
    switch (state) {
    case EXT_NAME_FIRST:
        return is_token_byte(c) ? EXT_NAME : WRONG;
    case EXT_NAME:
        return is_token_byte(c) ? EXT_NAME : c == '=' ? EXT_VALUE_FIRST : after_size(c);
    case EXT_VALUE_FIRST:
        return c == '"' ? QUOTED : is_token_byte(c) ? EXT_VALUE : WRONG;
    case EXT_VALUE:
        return is_token_byte(c) ? EXT_VALUE : after_size(c);
    case QUOTED:
        return c == '"' ? QUOTED_END : c == '\\' ? QUOTED_PAIR : is_text_byte(c) ? QUOTED : WRONG;
    case QUOTED_PAIR:
        return is_text_byte(c) ? QUOTED : WRONG;
    default:
        return after_size(c);
    }
}

static enum state chunks_trailer(enum state state, char c)
{
    switch (state) {
    case LINE:
        return c == '\r' ? END_LF : is_token_byte(c) ? NAME : WRONG;
    case NAME:
        return c == ':' ? VALUE : is_token_byte(c) ? NAME : WRONG;
    case VALUE:
        return c == '\r' ? VALUE_LF : is_text_byte(c) ? VALUE : WRONG;
    case VALUE_LF:
        return expect(c, '\n', LINE);
    default:
        return expect(c, '\n', COMPLETE);
    }
}

static enum state chunks_next(struct chunks *chunks, char c)
{
    enum state state = chunks->state;

    switch (state) {
    case SIZE_FIRST:
        chunks->left = 0;
        return after_digit(chunks, c);
    case SIZE:
        return hex_value(c) >= 0 ? after_digit(chunks, c) : after_size(c);
    case SIZE_LF:
        return expect(c, '\n', chunks->left > 0 ? DATA : LINE);
    case DATA_CR:
        return expect(c, '\r', DATA_LF);
    case DATA_LF:
        return expect(c, '\n', SIZE_FIRST);
    default:
        return state < SIZE_LF ? chunks_extension(state, c) : chunks_trailer(state, c);
    }
}

size_t chunks_accept(struct chunks *chunks, struct slice bytes)
{
    size_t at = 0;

    while (at < bytes.length && chunks->state < COMPLETE) {
        if (chunks->state == DATA) {
            size_t here = bytes.length - at;
            size_t taken = chunks->left < here ? (size_t)chunks->left : here;

            chunks->left -= taken;
            chunks->coding = 0;
            at += taken;
            if (chunks->left == 0)
                chunks->state = DATA_CR;
            continue;
        }
        if (++chunks->coding > CHUNKS_CODING_MAX)
            chunks->state = ENDLESS;
        else
            chunks->state = (uint8_t)chunks_next(chunks, bytes.start[at]);
        if (chunks->state > COMPLETE)
            break;
        at++;
    }
    return at;
}

bool chunks_are_endless(const struct chunks *chunks)
{
    return chunks->state == ENDLESS;
}

bool chunks_are_complete(const struct chunks *chunks)
{
    return chunks->state == COMPLETE;
}
