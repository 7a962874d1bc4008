#include "shared/verdict.h"

#include "base/log.h"

#include <errno.h>

static const uint64_t TIME_MASK = (1ull << 40) - 1;

_Static_assert(VERDICT_SCRIPT < 16, "a reason has four bits");

uint64_t verdict_pack(struct verdict v)
{
    uint64_t code = v.code < -VERDICT_CODE_MAX ? VERDICT_CODE_MAX
                    : v.code < 0               ? (uint64_t)-v.code
                                               : 0;

    return (uint64_t)v.up << 63 | (uint64_t)v.reason << 59 | code << 40 | (v.since_ms & TIME_MASK);
}

struct verdict verdict_unpack(uint64_t word)
{
    return (struct verdict){
        .up = word >> 63 != 0,
        .reason = (enum verdict_reason)(word >> 59 & 15),
        .code = -(int)(word >> 40 & VERDICT_CODE_MAX),
        .since_ms = word & TIME_MASK,
    };
}

/* libuv's numbers, which are the same everywhere; its own words are above this floor. */
static const char *resolver_words(int code)
{
    static const struct {
        int code;
        const char *words;
    } known[] = {
        {0, "the resolver does not answer"},
        {-3000, "the name has no address"}, /* none of a family we asked for */
        {-3001, "the resolver fails for now"},
        {-3004, "the resolver fails"},
        {-3005, "the name has no address"},
        {-3006, "the resolver has no memory"},
        {-3007, "the name has no address"}, /* it is known */
        {-3008, "the name is not known"},
        {-3009, "the name is too long"},
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].code == code)
            return known[i].words;
    return "the name cannot be resolved";
}

static void describe_errno(struct buffer *out, int code)
{
    const char *text = code == 0         ? "connect failed"
                       : code == -EPROTO ? "the TLS handshake failed" /* no connect fails so */
                                         : strerror(-code);

    buffer_append_byte(out, ascii_lower(text[0]));
    buffer_append_text(out, text + 1);
}

static void describe_silence(struct buffer *out, const char *what, int code)
{
    if (code == 0)
        buffer_printf(out, "no %s in time", what);
    else
        buffer_printf(out, "no %s within %g s", what, -code / 1000.0);
}

static void describe_closed(struct buffer *out, const char *when, int code)
{
    buffer_printf(out, "closed %s", when);
    if (code == 0)
        return;
    buffer_append_text(out, ": ");
    describe_errno(out, code);
}

static const char *serving_words(int code)
{
    static const char *const words[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};

    return code >= 0 && code < (int)(sizeof words / sizeof *words) ? words[code]
                                                                   : "not an answer to the check";
}

static void describe_answer(struct buffer *out, struct verdict v)
{
    if (v.reason == VERDICT_STATUS)
        buffer_printf(out, "status %d", -v.code);
    else if (v.reason == VERDICT_GRPC)
        buffer_printf(out, "grpc-status %d", -v.code);
    else
        buffer_append_text(out, serving_words(-v.code));
}

void verdict_describe(struct buffer *out, struct verdict v)
{
    static const char *const words[] = {
        [VERDICT_UNCHECKED] = "not checked yet",
        [VERDICT_CHECKED] = "accepts connections",
        [VERDICT_NOT_HTTP] = "not an HTTP response",
        [VERDICT_LARGE_HEAD] = "a response head beyond the limits",
        [VERDICT_SCRIPT] = "the script's check says so",
    };

    if (v.up && v.reason == VERDICT_TRAFFIC) {
        buffer_append_text(out, "a request has reached it");
        return;
    }
    switch (v.reason) {
    case VERDICT_CONNECT:
    case VERDICT_TRAFFIC:
        describe_errno(out, v.code);
        return;
    case VERDICT_TIMED_OUT:
        describe_silence(out, "answer", v.code);
        return;
    case VERDICT_UNRESOLVED:
        buffer_append_text(out, resolver_words(v.code));
        return;
    case VERDICT_STATUS:
    case VERDICT_GRPC:
    case VERDICT_SERVING:
        describe_answer(out, v);
        return;
    case VERDICT_SILENT:
        describe_silence(out, "response", v.code);
        return;
    case VERDICT_CLOSED:
        describe_closed(out, "before a response", v.code);
        return;
    case VERDICT_CUT:
        describe_closed(out, "in the middle of the response", v.code);
        return;
    default:
        buffer_append_text(out, words[v.reason]);
    }
}

void verdict_log(bool up, const char *name, const char *address, struct buffer *reason)
{
    struct log_pair pairs[] = {
        {"backend", name}, {"address", address}, {"reason", ""}, {NULL, NULL}};

    buffer_append_byte(reason, '\0');
    pairs[2].value = buffer_slice(reason).start;
    if (up)
        log_event(LOG_INFO, "backend_up", pairs, "%s is up", name);
    else
        log_event(LOG_WARN, "backend_down", pairs, "%s is down: %s", name, pairs[2].value);
}
