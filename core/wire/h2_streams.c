/*
 *   idle --> open --END_STREAM of one side--> half closed --of the other--> ended
 *              '----- RST_STREAM, a rule, GOAWAY, the connection's end ---> reset
 *
 * Whatever closed it, a stream has its place in a bucket until its owner releases it; then its
 * number is remembered for a while, as late frames mean different things (RFC 9113, 5.1).
 */
#include "base/mem.h"
#include "wire/h2_inside.h"

/* --- which there are --- */

static struct h2_stream **bucket_of(struct h2 *h, uint32_t id)
{
    return &h->buckets[(id >> 1) % H2_BUCKETS];
}

struct h2_stream *h2_find(const struct h2 *h, uint32_t id)
{
    struct h2_stream *s = h->buckets[(id >> 1) % H2_BUCKETS];

    while (s != NULL && s->id != id)
        s = s->bucket;
    return s;
}

bool h2_is_of_peer(const struct h2 *h, uint32_t id)
{
    return (id & 1) == (h->kind->role == H2_SERVER ? 1 : 0);
}

void h2_note_closed(struct h2 *h, uint32_t id, enum h2_stream_state state)
{
    if (state == H2_RESET_BY_US)
        h->reset[h->reset_at++ % H2_RESET_KEPT] = id;
    else
        h->ended[h->ended_at++ % H2_ENDED_KEPT] = id << 1 | (state == H2_RESET_BY_PEER);
}

static enum h2_stream_state remembered(const struct h2 *h, uint32_t id)
{
    for (unsigned i = 0; i < H2_RESET_KEPT; i++) /* first: what had ended may be reset, too */
        if (h->reset[i] == id)
            return H2_RESET_BY_US;
    for (unsigned i = 0; i < H2_ENDED_KEPT; i++)
        if (h->ended[i] >> 1 == id)
            return (h->ended[i] & 1) != 0 ? H2_RESET_BY_PEER : H2_ENDED;
    return H2_FORGOTTEN;
}

enum h2_stream_state h2_state_of(const struct h2 *h, uint32_t id, struct h2_stream **stream)
{
    bool is_of_peer = h2_is_of_peer(h, id);

    *stream = h2_find(h, id);
    if (*stream != NULL)
        return (enum h2_stream_state)(*stream)->state;
    if (id > (is_of_peer ? h->last_peer : h->last_own))
        return H2_IDLE;
    if (h->is_final && is_of_peer && id > h->last_taken)
        return H2_RESET_BY_US;
    return remembered(h, id);
}

static void count_stream(struct h2 *h, int change)
{
    h->open_streams += (uint32_t)change;
    if (h2_is_alive(h)) /* else its net/stream may have gone */
        stream_share(h->stream, h->open_streams > 1);
}

void h2_stream_begin(struct h2 *h, struct h2_stream *s, uint32_t id)
{
    CHECK(s->h2 == NULL);
    *s = (struct h2_stream){
        .h2 = h,
        .id = id,
        .state = id != 0 ? H2_OPEN : H2_IDLE,
        .send_window = h->peer_window,
        .receive_window = (int32_t)h->kind->stream_window,
        .began_ms = (uint32_t)loop_now_ms(h->stream->loop),
        .bucket = *bucket_of(h, id),
    };
    list_init(&s->waits);
    *bucket_of(h, id) = s;
    count_stream(h, 1);
}

static void take_out(struct h2_stream *s)
{
    struct h2_stream **place = bucket_of(s->h2, s->id);

    while (*place != s)
        place = &(*place)->bucket;
    *place = s->bucket;
}

void h2_stream_number(struct h2_stream *s, uint32_t id)
{
    take_out(s);
    s->id = id;
    s->state = H2_OPEN;
    s->bucket = *bucket_of(s->h2, id);
    *bucket_of(s->h2, id) = s;
}

/* --- ends --- */

void h2_end_local(struct h2_stream *s)
{
    s->state = s->state == H2_OPEN ? H2_HALF_LOCAL : H2_ENDED;
}

void h2_end_remote(struct h2_stream *s)
{
    s->has_end = true;
    s->state = s->state == H2_OPEN ? H2_HALF_REMOTE : H2_ENDED;
}

/* Nothing goes out there any more, and what was not consumed is nobody's. */
static void close_stream(struct h2_stream *s, enum h2_stream_state state)
{
    struct h2 *h = s->h2;
    uint32_t unconsumed = s->unconsumed;

    s->state = (uint8_t)state;
    s->is_sent = true;
    s->end_waits = H2_NO_END;
    s->unconsumed = s->trailers_bytes = 0;
    h->heads_bytes -= s->head_bytes;
    s->head_bytes = 0;
    list_remove(&s->waits);
    buffer_dispose(&s->waiting);
    if (h->kind->role == H2_SERVER && h2_is_alive(h))
        h2_credit_connection(h, unconsumed);
}

/* It is in no bucket any more. */
static void forget(struct h2_stream *s)
{
    struct h2 *h = s->h2;

    take_out(s);
    count_stream(h, -1);
    if (s->id != 0)
        h2_note_closed(h, s->id, (enum h2_stream_state)s->state);
    s->h2 = NULL;
}

void h2_stream_free(struct h2_stream *s)
{
    if (s->state != H2_ENDED)
        h2_reset(s, H2_NO_ERROR); /* the rest of the request is of no use (8.1) */
    close_stream(s, (enum h2_stream_state)s->state);
    forget(s);
    mem_free(s);
}

void h2_stream_end(struct h2_stream *s, enum h2_stream_state state, const struct h2_reset *reset)
{
    const struct h2_events *events = s->h2->kind->events;

    close_stream(s, state);
    if (s->is_detached)
        h2_stream_free(s);
    else
        events->on_reset(s, reset);
}

static struct h2_stream *find_above(struct h2 *h, uint32_t above)
{
    for (unsigned i = 0; i < H2_BUCKETS; i++)
        for (struct h2_stream *s = h->buckets[i]; s != NULL; s = s->bucket)
            if (s->state <= H2_ENDED && (s->id > above || s->id == 0))
                return s;
    return NULL;
}

void h2_end_streams(struct h2 *h, uint32_t above, const struct h2_reset *reset)
{
    struct h2_stream *s;

    while ((s = find_above(h, above)) != NULL)
        h2_stream_end(s, H2_RESET_BY_US, reset);
}

void h2_reset(struct h2_stream *s, enum h2_code code)
{
    if (s->h2 == NULL || s->state > H2_ENDED)
        return;
    if (s->id != 0 && s->state != H2_ENDED && h2_is_alive(s->h2))
        h2_add_reset(s->h2, s->id, code);
    close_stream(s, H2_RESET_BY_US);
}

/* --- released --- */

/* The owner's memory goes, the bytes that wait stay. */
static void detach(struct h2_stream *s)
{
    struct h2 *h = s->h2;
    struct h2_stream *copy = (void *)mem_copy(s, sizeof *s);

    take_out(s);
    copy->is_detached = true;
    copy->is_stopped = false;
    copy->bucket = *bucket_of(h, copy->id);
    *bucket_of(h, copy->id) = copy;
    list_init(&copy->waits);
    list_remove(&s->waits);
    list_append(&h->waiting, &copy->waits);
    h->heads_bytes -= copy->head_bytes;
    copy->head_bytes = 0;
    if (h->kind->role == H2_SERVER)
        h2_credit_connection(h, copy->unconsumed);
    copy->unconsumed = 0;
    *s = (struct h2_stream){.h2 = NULL};
}

static enum h2_code code_of_release(const struct h2_stream *s)
{
    if (s->h2->kind->role == H2_CLIENT)
        return H2_CANCEL;
    return s->state == H2_HALF_LOCAL ? H2_NO_ERROR : H2_INTERNAL_ERROR;
}

void h2_stream_release(struct h2_stream *s)
{
    struct h2 *h = s->h2;

    if (h == NULL)
        return;
    h->refused = 0;
    if (h2_stream_is_open(s) && s->end_waits != H2_NO_END &&
        (s->has_end || h->kind->role == H2_SERVER)) {
        detach(s);
        return;
    }
    if (s->state == H2_ENDED)
        h2_note_use(h, H2_ABUSE_REFILL);
    else
        h2_reset(s, code_of_release(s));
    close_stream(s, (enum h2_stream_state)s->state);
    forget(s);
}

size_t h2_stream_bytes(const struct h2_stream *s)
{
    return s->waiting.capacity;
}

/* --- faults --- */

void h2_fail_stream(struct h2 *h, uint32_t id, enum h2_code code, const char *why)
{
    struct h2_stream *s = h2_find(h, id);
    bool has_owner = s != NULL && s->state <= H2_ENDED;

    h2_add_reset(h, id, code);
    if (has_owner)
        h2_stream_end(s, H2_RESET_BY_US, &(struct h2_reset){H2_BY_RULE, code, why});
    else if (s == NULL)
        h2_note_closed(h, id, H2_RESET_BY_US);
    else /* one RST_STREAM is enough (5.4.2) */
        s->state = H2_RESET_BY_US;
    h2_charge(h, H2_COST_RESET, why);
}

void h2_break(struct h2 *h, enum h2_code code, const char *why)
{
    if (!h2_is_alive(h))
        return;
    h2_add_goaway(h, h->is_final ? h->last_taken : h->last_peer, code, why);
    h->state = H2_BROKEN;
    h->is_draining = true;
    h2_end_streams(h, 0, &(struct h2_reset){H2_BY_CONNECTION, code, why});
    if (h->state == H2_BROKEN)
        h->kind->events->on_broken(h, code, why);
}

void h2_lose(struct h2 *h, const char *why)
{
    if (h->state == H2_LOST)
        return;
    h->state = H2_LOST;
    h->is_draining = true;
    h2_end_streams(h, 0, &(struct h2_reset){H2_BY_CONNECTION, H2_CANCEL, why});
}

/* --- the account of abuse --- */

static void refill(struct h2 *h, uint32_t by)
{
    h->abuse = (uint16_t)(h->abuse + by < H2_ABUSE_MOST ? h->abuse + by : H2_ABUSE_MOST);
}

void h2_note_use(struct h2 *h, unsigned frames)
{
    h->use = (uint16_t)(h->use + frames);
    if (h->use < H2_ABUSE_REFILL)
        return;
    h->use -= H2_ABUSE_REFILL;
    refill(h, 1);
}

bool h2_charge(struct h2 *h, unsigned cost, const char *why)
{
    uint32_t now_s = (uint32_t)(loop_now_ms(h->stream->loop) / 1000);
    uint32_t seconds = now_s - h->refilled_s;

    if (!h2_is_alive(h))
        return false;
    h->refilled_s = now_s;
    if (seconds > 0)
        refill(h, seconds < H2_ABUSE_MOST ? seconds * H2_ABUSE_REFILL : H2_ABUSE_MOST);
    if (h->abuse > cost) {
        h->abuse -= (uint16_t)cost;
        return true;
    }
    h2_break(h, H2_ENHANCE_YOUR_CALM, why);
    return false;
}
