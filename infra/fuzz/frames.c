/*
 * frames - what a peer sends to one wire/h2, of either role, whose owner does anything at any time.
 * What goes out must be frames that a peer can read, whatever came.
 *
 * An input has four bytes that say how it is played, then what the peer sends:
 *
 *   AS_..        bits, below
 *   piece        it is fed so many bytes at a time; 0: all at once
 *   chance, 2    what the owner does between the pieces, if AS_WILD
 */
#include "spec/support/h2_talk.c"

enum {
    AS_CLIENT = 1,
    AS_CONNECT = 2,
    AS_ECHO = 4,
    AS_TAKER = 8,
    AS_NARROW = 16, /* the socket takes little, and the peer reads late */
    AS_WILD = 32,
    AS_REFUSED = 64,
    HOW_BYTES = 4,
};

static uint32_t chance;

static unsigned below(unsigned most)
{
    chance = chance * 1103515245 + 12345;
    return (chance >> 16) % most;
}

/* --- the peer: what it gets can be decoded --- */

static struct hpack_reader *reader;
static struct buffer got, block;
static bool has_preface; /* of lb as a client */

static bool note_field(void *owner, struct slice name, struct slice value)
{
    (void)owner;
    CHECK(name.length > 0 && value.start != NULL);
    return true;
}

static void check_head(const struct h2_frame *frame, struct slice payload)
{
    buffer_append(&block, payload);
    if ((frame->flags & H2_FLAG_END_HEADERS) == 0)
        return;
    CHECK(hpack_read(reader, buffer_slice(&block), note_field, NULL));
    buffer_clear(&block);
}

static size_t check_frame(struct slice bytes)
{
    struct h2_frame frame;
    struct slice payload;
    bool is_of_stream;

    if (!has_preface) {
        has_preface = bytes.length >= H2_PREFACE_BYTES;
        return has_preface ? H2_PREFACE_BYTES : 0;
    }
    if (bytes.length < H2_FRAME_HEAD)
        return 0;
    frame = h2_frame_read(bytes.start);
    CHECK(frame.type < H2_TYPES && frame.length <= H2_FRAME_LEAST);
    if (bytes.length < H2_FRAME_HEAD + frame.length)
        return 0;
    CHECK(h2_frame_check(&frame, &is_of_stream).why == NULL);
    CHECK(buffer_length(&block) == 0 || frame.type == H2_CONTINUATION);
    payload = (struct slice){bytes.start + H2_FRAME_HEAD, frame.length};
    if (frame.type == H2_HEADERS || frame.type == H2_CONTINUATION)
        check_head(&frame, payload);
    return H2_FRAME_HEAD + frame.length;
}

static void read_all(void)
{
    static char room[65536];
    size_t length, used;

    do {
        talk_turn();
        length = talk_read(room, sizeof room);
        buffer_append(&got, (struct slice){room, length});
        while ((used = check_frame(buffer_slice(&got))) > 0)
            buffer_consume(&got, used);
    } while (length > 0);
    buffer_clear(&report);
}

/* --- the owner --- */

static void act(void)
{
    static const char bytes[60000];
    unsigned id = 1 + 2 * below(6);

    if (below(40) == 0)
        talk_drain();
    if (!talk_has(id))
        return;
    switch (below(8)) {
    case 0:
        talk_head(id, "HTTP/1.1 200 OK\r\nA: b\r\n\r\n", false);
        break;
    case 1:
        talk_head(id, "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n", false);
        break;
    case 2:
        talk_body(id, bytes, below(9) == 0 ? sizeof bytes : below(30));
        break;
    case 3:
        talk_end_body(id, below(2) == 0 ? "X-Sum: 1\r\n" : "");
        break;
    case 4:
        talk_consumed(id, below(100));
        break;
    case 5:
        talk_reset(id, below(14));
        break;
    case 6:
        talk_release_id(id);
        break;
    default:
        talk_ping();
    }
}

static void begin(unsigned how)
{
    static const char get[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    static const char head[] = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
    bool is_client = (how & AS_CLIENT) != 0;

    reader = hpack_reader_new();
    has_preface = !is_client;
    buffer_clear(&got);
    buffer_clear(&block);
    talk_begin(is_client, 6, H2_WINDOW_FIRST, H2_WINDOW_FIRST, 500, (how & AS_CONNECT) != 0,
               (how & AS_ECHO) != 0 && !is_client, (how & AS_TAKER) != 0,
               (how & AS_NARROW) != 0 ? 4608 : 0);
    talk_refuse((how & AS_REFUSED) != 0);
    for (unsigned i = 0; is_client && i < 4; i++)
        talk_open(i == 2 ? head : get, i % 2 == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = {(const char *)data + HOW_BYTES, size - HOW_BYTES};
    size_t piece;

    if (size < HOW_BYTES)
        return -1;
    piece = data[1] > 0 ? data[1] : rest.length;
    chance = (uint32_t)(data[2] << 8 | data[3]);
    begin(data[0]);
    while (rest.length > 0) {
        size_t length = piece < rest.length ? piece : rest.length;

        talk_feed(rest.start, length);
        rest = slice_from(rest, length);
        for (unsigned i = (data[0] & AS_WILD) != 0 ? below(3) : 0; i > 0; i--)
            act();
        if ((data[0] & AS_NARROW) == 0 || below(8) == 0)
            read_all();
    }
    read_all();
    talk_end();
    hpack_reader_free(reader);
    return 0;
}
