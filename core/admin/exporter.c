/*
 *   rings --take--> batch --512, or a second--> sent --2xx--> sent, and what the collector refuses
 *                                                |  '-- any other answer --> refused
 *                                                |--no answer--> dropped, and a pause
 *                                                '--429, 502, 503, 504--> a pause, and again
 */
#include "admin/exporter.h"

#include "admin/otlp.h"
#include "base/log.h"
#include "base/mem.h"
#include "dial/fetch.h"
#include "net/deadline.h"
#include "shared/spans.h"

enum {
    BATCH_MAX = 512,
    BATCH_MS = 1000, /* since its first span */
    POLL_MS = 100,   /* how often the rings are looked at, */
    SOON_MS = 25,    /* while spans come, */
    BUSY_MS = 10,    /* and while they fill quickly */
    SEND_MS = 10000, /* an answer may take so long */
    TRIES_MAX = 5,   /* of one request */
    PAUSE_MS = 1000, /* the first one; twice as long after each further failure */
    PAUSE_MAX_MS = 30000,
    ASKED_MAX_S = 60, /* of Retry-After */
    EVENT_MS = 60000,
    ANSWER_MAX = 65536,
    LINKS = 4,
    HELD_BYTES = 32 << 20,
};

struct exporter {
    struct loop *loop;
    struct segment *segment;
    const struct config_tracing *settings;
    struct deadline poll, pause;
    struct buffer batch;      /* is being filled */
    unsigned count;           /* of its spans */
    uint64_t since_ms;        /* its first one came */
    unsigned next_slot;       /* to be looked at first */
    struct buffer sent;       /* is under way, or waits for its pause to end */
    unsigned sent_count;      /* 0: none is */
    unsigned tries, failures; /* of it; in a row */
    struct fetch fetch;
    bool is_fetching;
    struct log_interval told;
    uint64_t lost; /* that no event has told */
    bool ends, takes_all;
    struct deferred done;
    void (*on_done)(void *owner);
    void *owner;
};

/* --- what became of them --- */

/* Two exporters may count at once, while one of them ends. */
static void count(const struct exporter *x, enum totals_count which, uint64_t spans)
{
    if (spans > 0)
        atomic_fetch_add_explicit(&x->segment->totals[SEGMENT_ADMIN].totals.counts[which], spans,
                                  memory_order_relaxed);
}

static void tell(struct exporter *x, const char *why)
{
    const char *spans = LOG_NUMBER(x->lost);

    if (log_interval_count(&x->told, loop_now_ms(x->loop), EVENT_MS) == 0)
        return;
    x->lost = 0;
    log_event(LOG_WARN, "spans_lost", LOG_PAIRS({"#spans", spans}, {"error", why}),
              "%s spans do not reach %s: %s", spans, x->settings->to, why);
}

static void lose(struct exporter *x, enum totals_count which, uint64_t spans, const char *why)
{
    if (spans == 0)
        return;
    count(x, which, spans);
    x->lost += spans;
    tell(x, why);
}

/* --- from the rings --- */

static void add_span(struct exporter *x, const struct span *s)
{
    if (x->count == 0) {
        x->since_ms = loop_now_ms(x->loop);
        otlp_begin(&x->batch, x->settings->service);
    }
    otlp_add(&x->batch, s, x->count == 0);
    x->count++;
}

static void take_of(struct exporter *x, unsigned slot, uint64_t *lost)
{
    struct span s;

    while (x->count < BATCH_MAX && spans_are_there(x->segment, slot) &&
           spans_take(x->segment, slot, &s, lost))
        add_span(x, &s);
}

/* True: the batch is full, and perhaps more is there. */
static bool exporter_gather(struct exporter *x)
{
    unsigned slots = segment_workers(x->segment);
    uint64_t lost = 0;

    for (unsigned i = 0; i < slots && (!x->ends || x->takes_all); i++)
        take_of(x, (x->next_slot + i) % slots, &lost);
    x->next_slot = (x->next_slot + 1) % slots;
    lose(x, TOTALS_SPANS_DROPPED, lost, "they come faster than the collector takes them");
    return x->count >= BATCH_MAX;
}

/* --- to the collector --- */

static void on_answer(struct fetch *);

static const char *fill(struct exporter *x, struct fetch *f)
{
    const struct config_tracing *t = x->settings;
    const char *wrong = fetch_set_method(f, SLICE("POST"));
    struct slice name, value;
    size_t at = 0;

    if (wrong == NULL)
        wrong = fetch_set_url(f, slice_of(t->to));
    if (wrong == NULL && fetch_is_secure(f))
        fetch_secure(f, &(struct secured_wish){.name = slice_of(t->name),
                                               .ca = t->ca[0] != '\0' ? t->ca : NULL,
                                               .cert = t->cert[0] != '\0' ? t->cert : NULL,
                                               .key = t->key[0] != '\0' ? t->key : NULL,
                                               .verify = !t->no_verify,
                                               .is_http = true});
    if (wrong == NULL)
        wrong = fetch_add_field(f, SLICE("Content-Type"), SLICE("application/json"));
    while (wrong == NULL && tracing_next_header(t, &at, &name, &value))
        wrong = fetch_add_field(f, name, value);
    return wrong != NULL ? wrong : fetch_set_body(f, buffer_slice(&x->sent));
}

static void forget_sent(struct exporter *x)
{
    buffer_clear(&x->sent);
    x->sent_count = x->tries = 0;
}

static void exporter_send(struct exporter *x)
{
    const char *wrong;

    fetch_init(&x->fetch, x->loop);
    x->fetch.on_over = on_answer;
    wrong = fill(x, &x->fetch);
    if (wrong != NULL) {
        fetch_dispose(&x->fetch);
        lose(x, TOTALS_SPANS_DROPPED, x->sent_count, wrong);
        forget_sent(x);
        return;
    }
    x->tries++;
    x->is_fetching = true;
    fetch_start(&x->fetch, ANSWER_MAX, SEND_MS);
}

static bool batch_is_due(const struct exporter *x)
{
    return x->count >= BATCH_MAX ||
           (x->count > 0 && (x->ends || loop_now_ms(x->loop) >= x->since_ms + BATCH_MS));
}

/* Takes what there is, and sends it if it is due. */
static void exporter_go_on(struct exporter *x)
{
    bool is_full = exporter_gather(x);

    if (x->sent_count == 0 && batch_is_due(x) && !deadline_is_set(&x->pause)) {
        struct buffer emptied = x->sent;

        otlp_end(&x->batch);
        x->sent = x->batch;
        x->sent_count = x->count;
        x->batch = emptied;
        x->count = 0;
        exporter_send(x);
        is_full = exporter_gather(x);
    }
    if (x->ends && x->count == 0 && x->sent_count == 0)
        loop_defer(x->loop, &x->done);
    else
        deadline_set(x->loop, &x->poll, is_full ? BUSY_MS : x->count > 0 ? SOON_MS : POLL_MS);
}

/* --- its answer --- */

static bool may_come_again(unsigned status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

/* By Retry-After, in seconds; without one, or if it is a date, by our own rule. */
static uint64_t pause_ms(const struct exporter *x, const struct head *head)
{
    const struct slice *asked = head != NULL ? head_find(head, SLICE("retry-after")) : NULL;
    uint64_t own_ms = (uint64_t)PAUSE_MS << (x->failures < 6 ? x->failures : 6), seconds;

    if (asked != NULL && number_read(*asked, &seconds))
        return (seconds < ASKED_MAX_S ? seconds : ASKED_MAX_S) * 1000 + 1;
    return own_ms < PAUSE_MAX_MS ? own_ms : PAUSE_MAX_MS;
}

static void on_success(struct exporter *x)
{
    uint64_t rejected = otlp_rejected(buffer_slice(&x->fetch.body));

    rejected = rejected < x->sent_count ? rejected : x->sent_count;
    count(x, TOTALS_SPANS_SENT, x->sent_count - rejected);
    lose(x, TOTALS_SPANS_REFUSED, rejected, "the collector has refused a part of them");
    x->failures = 0;
    forget_sent(x);
}

static void on_refusal(struct exporter *x, const struct head *head)
{
    char why[64];

    if (may_come_again(head->status) && x->tries < TRIES_MAX && !x->ends) {
        deadline_set(x->loop, &x->pause, pause_ms(x, head));
        x->failures++;
        return;
    }
    snprintf(why, sizeof why, "the collector has answered %u", head->status);
    lose(x, may_come_again(head->status) ? TOTALS_SPANS_DROPPED : TOTALS_SPANS_REFUSED,
         x->sent_count, why);
    forget_sent(x);
}

static void on_silence(struct exporter *x)
{
    lose(x, TOTALS_SPANS_DROPPED, x->sent_count, x->fetch.why);
    if (!x->ends)
        deadline_set(x->loop, &x->pause, pause_ms(x, NULL));
    x->failures++;
    forget_sent(x);
}

static void on_answer(struct fetch *f)
{
    struct exporter *x = list_entry(f, struct exporter, fetch);
    const struct head *head = &f->response.parse.head;

    x->is_fetching = false;
    if (!f->has_answer)
        on_silence(x);
    else if (head->status >= 200 && head->status < 300)
        on_success(x);
    else
        on_refusal(x, head);
    fetch_dispose(f);
    exporter_go_on(x);
}

/* --- time --- */

static void on_poll(struct deadline *d)
{
    exporter_go_on(list_entry(d, struct exporter, poll));
}

static void on_pause_over(struct deadline *d)
{
    struct exporter *x = list_entry(d, struct exporter, pause);

    if (x->sent_count > 0)
        exporter_send(x);
    exporter_go_on(x);
}

/* --- from the beginning to the end --- */

static void on_done(struct deferred *d)
{
    struct exporter *x = list_entry(d, struct exporter, done);

    x->on_done(x->owner);
}

struct exporter *exporter_new(struct loop *loop, struct segment *segment,
                              const struct config_tracing *settings)
{
    struct exporter *x = mem_zalloc(sizeof *x);

    x->loop = loop;
    x->segment = segment;
    x->settings = settings;
    deadline_init(&x->poll, on_poll);
    deadline_init(&x->pause, on_pause_over);
    deferred_init(&x->done, on_done);
    links_set_limit(LINKS);
    held_set_limit(HELD_BYTES);
    deadline_set(loop, &x->poll, POLL_MS);
    return x;
}

/* A pause ends: the collector gets one more chance. */
void exporter_finish(struct exporter *x, bool takes_all, void (*on_over)(void *owner), void *owner)
{
    x->ends = true;
    x->takes_all = takes_all;
    x->on_done = on_over;
    x->owner = owner;
    if (deadline_is_set(&x->pause))
        deadline_set(x->loop, &x->pause, 0);
    deadline_set(x->loop, &x->poll, 0);
}

void exporter_give_up(struct exporter *x)
{
    if (x->is_fetching)
        fetch_dispose(&x->fetch);
    x->is_fetching = false;
    x->told = (struct log_interval){0};
    lose(x, TOTALS_SPANS_DROPPED, x->sent_count + x->count, "lb ends, or has another script");
    x->sent_count = x->count = 0;
}
