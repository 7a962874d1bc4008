/*
 *   record       22, version (2), length (2), then as much of the message as length says
 *   message      1, length (3), then
 *   ClientHello  version (2), random (32), session id <1>, cipher suites <2>, compression <1>,
 *                extensions <2>, or nothing where they would be
 *   extension    type (2), content <2>
 *
 * <n>: a length of n bytes, and as many bytes.
 */
#include "net/tls_hello.h"

#include "net/tls_names.h"

#include <stddef.h>

enum {
    RECORD_HANDSHAKE = 22,
    RECORD_HEADER_BYTES = 5,
    RECORD_BYTES_MAX = 16384, /* RFC 8446, 5.1 */
    MESSAGE_CLIENT_HELLO = 1,
    MESSAGE_HEADER_BYTES = 4,
    RANDOM_BYTES = 32,
    SESSION_ID_BYTES_MAX = 32,
};

enum { VERSION_MAJOR = 3, VERSION_1_2 = 0x0303, VERSION_1_3 = 0x0304 };

enum { /* RFC 8446, 6 */
       ALERT_UNEXPECTED_MESSAGE = 10,
       ALERT_ILLEGAL_PARAMETER = 47,
       ALERT_DECODE_ERROR = 50,
       ALERT_PROTOCOL_VERSION = 70,
};

enum { /* RFC 8446, 4.2 */
       EXTENSION_SERVER_NAME = 0,
       EXTENSION_SIGNATURES = 13,
       EXTENSION_ALPN = 16,
       EXTENSION_TICKET = 35,
       EXTENSION_PSK = 41,
       EXTENSION_EARLY_DATA = 42,
       EXTENSION_VERSIONS = 43,
};

static enum tls_hello_step bad(struct tls_hello *out, uint8_t alert, const char *why)
{
    out->alert = alert;
    out->why = why;
    return HELLO_BAD;
}

static unsigned byte_at(struct slice s, size_t at)
{
    return (unsigned char)s.start[at];
}

/* --- pieces --- */

static bool take(struct slice *rest, size_t length, struct slice *piece)
{
    if (rest->length < length)
        return false;
    *piece = (struct slice){rest->start, length};
    *rest = (struct slice){rest->start + length, rest->length - length};
    return true;
}

static bool take_number(struct slice *rest, size_t bytes, unsigned *number)
{
    struct slice piece;

    if (!take(rest, bytes, &piece))
        return false;
    *number = 0;
    for (size_t i = 0; i < bytes; i++)
        *number = *number << 8 | byte_at(piece, i);
    return true;
}

/* A length, in length_bytes bytes, and as many bytes as it says. */
static bool take_piece(struct slice *rest, size_t length_bytes, struct slice *piece)
{
    unsigned length;

    return take_number(rest, length_bytes, &length) && take(rest, length, piece);
}

/* The same, and nothing may follow. */
static bool take_all(struct slice rest, size_t length_bytes, struct slice *piece)
{
    return take_piece(&rest, length_bytes, piece) && rest.length == 0;
}

/* --- extensions --- */

/* There may be one name (RFC 6066, 3); no other kind of name was ever defined. */
static bool read_server_name(struct slice content, struct tls_hello *out)
{
    struct slice list, name;
    unsigned type;

    if (!take_all(content, 2, &list) || !take_number(&list, 1, &type) || type != 0 ||
        !take_all(list, 2, &name) || name.length == 0)
        return false;
    if (!tls_names_is_host(name))
        return true;
    if (name.start[name.length - 1] == '.')
        name.length--;
    for (size_t i = 0; i < name.length; i++)
        out->name[i] = ascii_lower(name.start[i]);
    out->name_length = name.length;
    return true;
}

static bool read_alpn(struct slice content, struct tls_hello *out)
{
    struct slice list, name;

    if (!take_all(content, 2, &list) || list.length == 0)
        return false;
    for (struct slice rest = list; rest.length > 0;) {
        if (!take_piece(&rest, 1, &name) || name.length == 0)
            return false;
        if ((size_t)(rest.start - list.start) <= sizeof out->alpn)
            out->alpn_length = (size_t)(rest.start - list.start);
    }
    memcpy(out->alpn, list.start, out->alpn_length);
    (void)take_piece(&list, 1, &name);
    tls_traits_note_alpn(&out->traits, name);
    out->has_alpn = true;
    return true;
}

/* Unknown versions are ignored, as RFC 8701 asks. */
static bool read_versions(struct slice content, struct tls_hello *out)
{
    struct slice list;
    unsigned version, highest = 0;

    if (!take_all(content, 1, &list) || list.length == 0 || list.length % 2 != 0)
        return false;
    out->versions = 0;
    while (take_number(&list, 2, &version)) {
        if (version == VERSION_1_3)
            out->versions |= TLS_HELLO_1_3;
        else if (version == VERSION_1_2)
            out->versions |= TLS_HELLO_1_2;
        else if (version >> 8 == VERSION_MAJOR && version < VERSION_1_2)
            out->versions |= TLS_HELLO_OLDER;
        if (version > highest && !tls_traits_is_grease(version))
            highest = version;
    }
    out->traits.version = (uint16_t)highest;
    return true;
}

static bool read_extension(unsigned type, struct slice content, struct tls_hello *out)
{
    switch (type) {
    case EXTENSION_SERVER_NAME:
        out->traits.has_name = true;
        return read_server_name(content, out);
    case EXTENSION_ALPN:
        return read_alpn(content, out);
    case EXTENSION_VERSIONS:
        return read_versions(content, out);
    case EXTENSION_TICKET:
        out->ticket = content.length > 0;
        return true;
    case EXTENSION_PSK:
        out->psk = true;
        return true;
    case EXTENSION_EARLY_DATA:
        out->early_data = true;
        return content.length == 0;
    default:
        return true;
    }
}

/* An extension comes once (RFC 8446, 4.2). All that we read have numbers below 64. */
static bool is_again(unsigned type, uint64_t *seen)
{
    uint64_t bit = type < 64 ? (uint64_t)1 << type : 0;
    bool again = (*seen & bit) != 0;

    *seen |= bit;
    return again;
}

static void note_values(struct slice list, struct tls_traits *traits, uint8_t *count)
{
    unsigned value;

    while (take_number(&list, 2, &value))
        tls_traits_add(traits, count, value);
}

static enum tls_hello_step read_extensions(struct slice list, struct tls_hello *out)
{
    struct slice signatures = {"", 0};
    uint64_t seen = 0;

    while (list.length > 0) {
        struct slice content;
        unsigned type;

        if (!take_number(&list, 2, &type) || !take_piece(&list, 2, &content))
            return bad(out, ALERT_DECODE_ERROR, "a malformed list of extensions");
        if (is_again(type, &seen))
            return bad(out, ALERT_ILLEGAL_PARAMETER, "an extension twice");
        if (type == EXTENSION_PSK && list.length > 0) /* RFC 8446, 4.2.11 */
            return bad(out, ALERT_ILLEGAL_PARAMETER, "an extension behind pre_shared_key");
        if (!read_extension(type, content, out))
            return bad(out, ALERT_DECODE_ERROR, "a malformed extension");
        tls_traits_add(&out->traits, &out->traits.extensions, type);
        if (type == EXTENSION_SIGNATURES && !take_all(content, 2, &signatures))
            signatures.length = 0; /* the library will refuse it */
    }
    note_values(signatures, &out->traits, &out->traits.signatures);
    return HELLO_READY;
}

/* --- the message --- */

static enum tls_hello_step read_message(struct slice rest, struct tls_hello *out)
{
    struct slice random, session_id, suites, compressions, extensions = {"", 0};
    unsigned version;

    if (!take_number(&rest, 2, &version) || !take(&rest, RANDOM_BYTES, &random) ||
        !take_piece(&rest, 1, &session_id) || session_id.length > SESSION_ID_BYTES_MAX ||
        !take_piece(&rest, 2, &suites) || suites.length == 0 || suites.length % 2 != 0 ||
        !take_piece(&rest, 1, &compressions) || compressions.length == 0)
        return bad(out, ALERT_DECODE_ERROR, "a malformed ClientHello");
    if (rest.length > 0 && !take_all(rest, 2, &extensions))
        return bad(out, ALERT_DECODE_ERROR, "a ClientHello with a wrong length");
    if (version >> 8 != VERSION_MAJOR)
        return bad(out, ALERT_PROTOCOL_VERSION, "a ClientHello of an unknown version");
    if (memchr(compressions.start, 0, compressions.length) == NULL)
        return bad(out, ALERT_ILLEGAL_PARAMETER, "a ClientHello that wants compression");
    out->versions = version >= VERSION_1_2 ? TLS_HELLO_OLDER | TLS_HELLO_1_2 : TLS_HELLO_OLDER;
    out->traits.version = (uint16_t)version;
    note_values(suites, &out->traits, &out->traits.suites);
    return read_extensions(extensions, out);
}

/* --- records --- */

/* One record's part of the message. MORE: the record is not complete. */
static enum tls_hello_step next_record(struct slice *bytes, struct slice *part,
                                       struct tls_hello *out)
{
    unsigned length;

    if (bytes->length >= 1 && byte_at(*bytes, 0) != RECORD_HANDSHAKE)
        return bad(out, ALERT_UNEXPECTED_MESSAGE, "a record that is no handshake");
    if (bytes->length >= 2 && byte_at(*bytes, 1) != VERSION_MAJOR)
        return bad(out, ALERT_PROTOCOL_VERSION, "a record of an unknown version");
    if (bytes->length < RECORD_HEADER_BYTES)
        return HELLO_MORE;
    length = byte_at(*bytes, 3) << 8 | byte_at(*bytes, 4);
    if (length == 0 || length > RECORD_BYTES_MAX)
        return bad(out, ALERT_DECODE_ERROR, "a record with a wrong length");
    bytes->start += RECORD_HEADER_BYTES;
    bytes->length -= RECORD_HEADER_BYTES;
    *part = (struct slice){bytes->start, bytes->length < length ? bytes->length : length};
    bytes->start += part->length;
    bytes->length -= part->length;
    return part->length < length ? HELLO_MORE : HELLO_READY;
}

/* Judges as much of the message's header as has come. */
static enum tls_hello_step check_header(struct slice message, struct tls_hello *out)
{
    if (message.length >= 1 && byte_at(message, 0) != MESSAGE_CLIENT_HELLO)
        return bad(out, ALERT_UNEXPECTED_MESSAGE, "a message that is no ClientHello");
    if (message.length < MESSAGE_HEADER_BYTES)
        return HELLO_MORE;
    if ((byte_at(message, 1) << 16 | byte_at(message, 2) << 8 | byte_at(message, 3)) >
        TLS_HELLO_BYTES_MAX - MESSAGE_HEADER_BYTES - RECORD_HEADER_BYTES)
        return bad(out, ALERT_ILLEGAL_PARAMETER, "a ClientHello above 16 KiB");
    return HELLO_READY;
}

/* Joins the parts in room; a single part stays where it is. */
static enum tls_hello_step gather(struct slice bytes, char *room, struct slice *message,
                                  struct tls_hello *out)
{
    struct slice rest = bytes, part = {"", 0};
    enum tls_hello_step step, header = HELLO_MORE;
    size_t wanted = 0;

    do {
        step = next_record(&rest, &part, out);
        if (step == HELLO_BAD)
            return HELLO_BAD;
        if (message->length == 0) {
            *message = part;
        } else {
            if (message->start != room)
                memcpy(room, message->start, message->length);
            memcpy(room + message->length, part.start, part.length);
            *message = (struct slice){room, message->length + part.length};
        }
        part.length = 0;
        header = check_header(*message, out);
        if (header == HELLO_BAD)
            return HELLO_BAD;
        if (header == HELLO_READY)
            wanted = MESSAGE_HEADER_BYTES + (byte_at(*message, 1) << 16 |
                                             byte_at(*message, 2) << 8 | byte_at(*message, 3));
    } while (step == HELLO_READY && (header == HELLO_MORE || message->length < wanted));
    if (step == HELLO_READY && message->length > wanted)
        return bad(out, ALERT_UNEXPECTED_MESSAGE, "bytes behind a ClientHello in its record");
    out->length = bytes.length - rest.length;
    return step;
}

/* The first byte of a request, or the empty line that may come before it. */
static bool is_text(char first)
{
    return ascii_is_alphanumeric(first) || first == '\r' || first == '\n';
}

enum tls_hello_step tls_hello_read(struct slice bytes, struct tls_hello *out)
{
    char room[TLS_HELLO_BYTES_MAX];
    struct slice message = {room, 0};
    bool is_cut = bytes.length > TLS_HELLO_BYTES_MAX;
    enum tls_hello_step step;

    out->length = out->name_length = out->alpn_length = 0;
    out->versions = 0;
    out->has_alpn = out->early_data = out->psk = out->ticket = false;
    out->why = NULL;
    out->alert = 0;
    memset(&out->traits, 0, offsetof(struct tls_traits, values));
    if (bytes.length == 0)
        return HELLO_MORE;
    if (is_text(bytes.start[0]))
        return HELLO_NOT_TLS;
    if (is_cut)
        bytes.length = TLS_HELLO_BYTES_MAX;
    step = gather(bytes, room, &message, out);
    if (step == HELLO_MORE && (is_cut || bytes.length == TLS_HELLO_BYTES_MAX))
        return bad(out, ALERT_ILLEGAL_PARAMETER, "a ClientHello above 16 KiB");
    if (step != HELLO_READY)
        return step;
    message.start += MESSAGE_HEADER_BYTES;
    message.length -= MESSAGE_HEADER_BYTES;
    return read_message(message, out);
}

bool tls_hello_offers(const struct tls_hello *hello, struct slice protocol)
{
    struct slice list = {hello->alpn, hello->alpn_length}, name;

    while (take_piece(&list, 1, &name))
        if (slice_is(name, protocol))
            return true;
    return false;
}
