/*
 *   FIRST > SIZE [> EXT_NAME > EXT_VALUE | QUOTED] > SIZE_LF > DATA > DATA_CR > DATA_LF > FIRST
 *                                                       |
 *                                                       `- size 0: TRAILERS > COMPLETE
 */
#include "http/chunks.h"

enum state {
    FIRST,
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
    TRAILERS,
    COMPLETE,
};

void chunks_init(struct chunks *chunks, size_t trailers_max, size_t fields_max)
{
    *chunks = (struct chunks){.state = FIRST};
    syntax_expect_trailers(&chunks->trailers, trailers_max, fields_max);
}

static enum state chunks_refuse(struct chunks *chunks, enum syntax_fault fault)
{
    chunks->fault = (uint8_t)fault;
    return (enum state)chunks->state;
}

static enum state chunks_digit(struct chunks *chunks, char c)
{
    int digit = ascii_hex_value(c);

    if (digit < 0)
        return chunks_refuse(chunks, SYNTAX_CHUNK_SIZE);
    if (chunks->left >> 59 != 0) /* as of a Content-Length: framing.c says why */
        return chunks_refuse(chunks, SYNTAX_CHUNK_OVERFLOW);
    chunks->left = chunks->left << 4 | (unsigned)digit;
    return SIZE;
}

/* Behind a size or a whole extension. */
static enum state chunks_size_end(struct chunks *chunks, char c, enum syntax_fault fault)
{
    return c == '\r' ? SIZE_LF : c == ';' ? EXT_NAME_FIRST : chunks_refuse(chunks, fault);
}

static enum state chunks_expect(struct chunks *chunks, bool fits, enum state next,
                                enum syntax_fault fault)
{
    return fits ? next : chunks_refuse(chunks, fault);
}

/* RFC 9112, 7.1.1, without the white space that only a bad sender writes. */
static enum state chunks_extension(struct chunks *chunks, char c)
{
    const enum syntax_fault fault = SYNTAX_CHUNK_EXTENSION;

    switch (chunks->state) {
    case EXT_NAME_FIRST:
        return chunks_expect(chunks, is_token_byte(c), EXT_NAME, fault);
    case EXT_NAME:
        if (is_token_byte(c))
            return EXT_NAME;
        return c == '=' ? EXT_VALUE_FIRST : chunks_size_end(chunks, c, fault);
    case EXT_VALUE_FIRST:
        return c == '"' ? QUOTED : chunks_expect(chunks, is_token_byte(c), EXT_VALUE, fault);
    case EXT_VALUE:
        return is_token_byte(c) ? EXT_VALUE : chunks_size_end(chunks, c, fault);
    case QUOTED:
        if (c == '"' || c == '\\')
            return c == '"' ? QUOTED_END : QUOTED_PAIR;
        return chunks_expect(chunks, is_text_byte(c), QUOTED, fault);
    case QUOTED_PAIR:
        return chunks_expect(chunks, is_text_byte(c), QUOTED, fault);
    default:
        return chunks_size_end(chunks, c, fault);
    }
}

static enum state chunks_next(struct chunks *chunks, char c)
{
    switch (chunks->state) {
    case FIRST:
        chunks->left = 0;
        return chunks_digit(chunks, c);
    case SIZE:
        return ascii_hex_value(c) >= 0 ? chunks_digit(chunks, c)
                                       : chunks_size_end(chunks, c, SYNTAX_CHUNK_SIZE);
    case SIZE_LF:
        return chunks_expect(chunks, c == '\n', chunks->left > 0 ? DATA : TRAILERS,
                             SYNTAX_CHUNK_LINE);
    case DATA_CR:
        return chunks_expect(chunks, c == '\r', DATA_LF, SYNTAX_CHUNK_END);
    case DATA_LF:
        return chunks_expect(chunks, c == '\n', FIRST, SYNTAX_CHUNK_END);
    default:
        return chunks_extension(chunks, c);
    }
}

/* Data pays for the coding around it, and more than any honest sender needs; so a body that is
 * nearly all extensions has its bound over all chunks. */
static void chunks_forgive(struct chunks *chunks, size_t data)
{
    size_t paid = data < CHUNKS_CODING_MAX ? 2 * data : CHUNKS_CODING_MAX;

    if (chunks->left == 0)
        paid += CHUNK_CODING_FREE;
    chunks->coding -= paid < chunks->coding ? (uint32_t)paid : chunks->coding;
}

static size_t chunks_skip_data(struct chunks *chunks, size_t here)
{
    size_t taken = chunks->left < here ? (size_t)chunks->left : here;

    chunks->left -= taken;
    chunks_forgive(chunks, taken);
    if (chunks->left == 0)
        chunks->state = DATA_CR;
    return taken;
}

/* What is left of CHUNKS_CODING_MAX is a limit, too. */
static size_t chunks_accept_trailers(struct chunks *chunks, struct slice bytes)
{
    size_t room = CHUNKS_CODING_MAX - chunks->coding;
    struct slice within = {bytes.start, bytes.length < room ? bytes.length : room};
    size_t taken = syntax_accept(&chunks->trailers, within);

    chunks->coding += (uint32_t)taken;
    chunks->fault = chunks->trailers.fault;
    if (syntax_is_complete(&chunks->trailers))
        chunks->state = COMPLETE;
    else if (taken == room && taken < bytes.length)
        chunks->fault = SYNTAX_CHUNK_CODING;
    return taken;
}

static size_t chunks_accept_coding(struct chunks *chunks, char c)
{
    if (chunks->coding == CHUNKS_CODING_MAX) {
        chunks->fault = SYNTAX_CHUNK_CODING;
        return 0;
    }
    chunks->coding++;
    chunks->state = (uint8_t)chunks_next(chunks, c);
    return chunks->fault == SYNTAX_OK ? 1 : 0;
}

static bool chunks_drop(const struct chunks *chunks, char c)
{
    if (chunks->state == SIZE)
        return c == ';';
    if (chunks->state >= EXT_NAME_FIRST && chunks->state <= QUOTED_END)
        return c != '\r';
    return chunks->state == TRAILERS;
}

size_t chunks_accept(struct chunks *chunks, struct slice bytes, bool *are_dropped)
{
    size_t at = 0;

    *are_dropped = bytes.length > 0 && chunks_drop(chunks, bytes.start[0]);
    while (at < bytes.length && chunks->state != COMPLETE && chunks->fault == SYNTAX_OK) {
        struct slice rest = slice_from(bytes, at);

        if (chunks_drop(chunks, rest.start[0]) != *are_dropped)
            break;
        if (chunks->state == DATA)
            at += chunks_skip_data(chunks, rest.length);
        else if (chunks->state == TRAILERS)
            at += chunks_accept_trailers(chunks, rest);
        else
            at += chunks_accept_coding(chunks, rest.start[0]);
    }
    return at;
}

bool chunks_are_complete(const struct chunks *chunks)
{
    return chunks->state == COMPLETE;
}
