#include "admin/actions.h"

#include "admin/backends.h"
#include "admin/body.h"
#include "admin/json.h"
#include "admin/state.h"
#include "base/clock.h"
#include "base/log.h"
#include "shared/backend_numbers.h"
#include "shared/backend_standing.h"
#include "shared/board.h"
#include "shared/changes.h"
#include "shared/evidence.h"
#include "shared/steer.h"
#include "shared/weight.h"

#include <stdlib.h>

enum {
    WHY_BYTES = 200,
    LOOK_MS = 5, /* how often it looks whether nothing is in flight any more */
    WAIT_S_MAX = 3600,
    SECONDS_MAX = 86400,
    WEIGHT_MAX = 65535,
};

struct action {
    struct answer *answer;
    struct buffer *out;
    struct segment *segment;
    struct roster_entry who;
    unsigned slot;
    uint64_t now_ms;
    struct body body;
    char why[WHY_BYTES];
};

/* --- what they have in common --- */

static bool take_why(struct action *x)
{
    const struct body_member *why = body_find(&x->body, "why");

    x->why[0] = '\0';
    if (why == NULL)
        return true;
    if (why->type != BODY_TEXT || why->text.length >= sizeof x->why) {
        answer_error(x->answer, x->out, 400, "why is a text of at most %d bytes", WHY_BYTES - 1);
        return false;
    }
    memcpy(x->why, why->text.start, why->text.length);
    x->why[why->text.length] = '\0';
    return true;
}

/* False: it has answered. */
static bool action_begin(struct action *x, struct answer *a, struct buffer *out)
{
    x->answer = a;
    x->out = out;
    x->segment = a->admin->segment;
    x->now_ms = clock_steady_ms();
    x->slot = roster_find(x->segment, a->name);
    if (x->slot == SEGMENT_BACKENDS_MAX || !roster_read(x->segment, x->slot, &x->who)) {
        answer_error(a, out, 404, "no backend is called '%s'", a->name);
        return false;
    }
    if (!body_read(&x->body, a->body)) {
        answer_error(a, out, 400, "the body: %s", x->body.wrong);
        return false;
    }
    return take_why(x);
}

/* The state that it has now; waited_s: of a drain that was waited for. */
static enum answer_step tell_state(struct action *x)
{
    json_open(x->out, '{');
    backends_put_state(x->answer->admin, x->slot, x->out);
    json_number(x->out, "in_flight", numbers_in_flight(x->segment, x->slot));
    json_number(x->out, "weight", weight_of(x->segment, x->slot, x->who.weight));
    if (x->answer->until_ms != 0)
        json_seconds(x->out, "waited_s", x->now_ms - x->answer->began_ms);
    if (state_lacks_backends(x->segment))
        json_text(x->out, "warning", "no backend is available: requests are answered 503");
    json_close(x->out, '}');
    buffer_append_byte(x->out, '\n');
    return ANSWER_DONE;
}

#define BY_ADMIN(x)                                                                                \
    {"backend", (x)->who.name}, {"by", "admin"},                                                   \
    {                                                                                              \
        "reason", (x)->why                                                                         \
    }

/* Behind a message, for "%s%s". */
#define SHOWN_WHY(x) (x)->why[0] != '\0' ? ": " : "", (x)->why

/* --- drains --- */

static const char *standing_name_of(const struct action *x)
{
    return backends_standing_name(x->segment, x->slot, x->now_ms);
}

static void set_draining(struct action *x, bool draining)
{
    const char *before = standing_name_of(x);

    if (!steer_drain(x->segment, x->slot, draining, x->now_ms))
        return;
    changes_note(x->segment, x->slot, before, standing_name_of(x), "admin", x->why);
    if (draining)
        log_event(LOG_INFO, "backend_draining", LOG_PAIRS(BY_ADMIN(x)),
                  "%s drains: it gets no more requests, as a person says%s%s", x->who.name,
                  SHOWN_WHY(x));
    else
        log_event(LOG_INFO, "backend_undrained", LOG_PAIRS(BY_ADMIN(x)),
                  "%s gets requests again, as a person says%s%s", x->who.name, SHOWN_WHY(x));
}

/* Not if somebody undrains it meanwhile: then it will never be empty. */
static enum answer_step wait_until_empty(struct action *x)
{
    bool is_empty = numbers_in_flight(x->segment, x->slot) == 0;

    if (!is_empty && x->now_ms < x->answer->until_ms &&
        standing_of(x->segment, x->slot, x->now_ms) == STANDING_DRAINING) {
        x->answer->wait_ms = LOOK_MS;
        return ANSWER_WAITS;
    }
    x->answer->status = is_empty ? 200 : 202;
    return tell_state(x);
}

/* at: 0, it has not begun. */
enum answer_step actions_drain(struct answer *a, struct buffer *out)
{
    struct slice wait = answer_parameter(a, SLICE("wait_s"));
    char text[16] = "";
    struct action x;
    double seconds;

    if (!action_begin(&x, a, out))
        return ANSWER_DONE;
    if (a->at == 0 && wait.length > 0) {
        memcpy(text, wait.start, wait.length < sizeof text ? wait.length : sizeof text - 1);
        seconds = strtod(text, NULL);
        if (!(seconds > 0 && seconds <= WAIT_S_MAX))
            return answer_error(a, out, 400, "wait_s is more than 0 and at most %d", WAIT_S_MAX);
        a->until_ms = x.now_ms + (uint64_t)(seconds * 1000);
        a->began_ms = x.now_ms;
    }
    if (a->at++ == 0)
        set_draining(&x, true);
    return a->until_ms != 0 ? wait_until_empty(&x) : tell_state(&x);
}

enum answer_step actions_undrain(struct answer *a, struct buffer *out)
{
    struct action x;

    if (!action_begin(&x, a, out))
        return ANSWER_DONE;
    set_draining(&x, false);
    return tell_state(&x);
}

/* --- weights --- */

static bool change_weight(struct action *x, const struct body_member *wanted)
{
    if (wanted->type == BODY_NULL)
        return steer_take_weight_back(x->segment, x->slot, x->who.weight);
    return steer_weigh(x->segment, x->slot, x->who.weight, (uint32_t)wanted->number);
}

/* {"weight":null}: the script's again. */
enum answer_step actions_weigh(struct answer *a, struct buffer *out)
{
    const struct body_member *wanted;
    char before[LOG_NUMBER_BYTES], after[LOG_NUMBER_BYTES];
    struct action x;

    if (!action_begin(&x, a, out))
        return ANSWER_DONE;
    wanted = body_find(&x.body, "weight");
    if (wanted == NULL || (wanted->type != BODY_NULL && wanted->type != BODY_NUMBER) ||
        (wanted->type == BODY_NUMBER && !(wanted->number >= 0 && wanted->number <= WEIGHT_MAX &&
                                          wanted->number == (double)(uint32_t)wanted->number)))
        return answer_error(a, out, 400,
                            "expected {\"weight\":N}, a whole number from 0 to %d, or null for "
                            "what the script says",
                            WEIGHT_MAX);
    log_number(before, weight_of(x.segment, x.slot, x.who.weight));
    if (!change_weight(&x, wanted))
        return tell_state(&x);
    log_number(after, weight_of(x.segment, x.slot, x.who.weight));
    changes_note(x.segment, x.slot, before, after, "admin", x.why[0] != '\0' ? x.why : "weight");
    log_event(LOG_INFO, "backend_weight", LOG_PAIRS(BY_ADMIN(&x), {"#weight", after}),
              "%s has weight %s now, as a person says%s%s", x.who.name, after, SHOWN_WHY(&x));
    return tell_state(&x);
}

/* --- ejections --- */

enum answer_step actions_eject(struct answer *a, struct buffer *out)
{
    const struct body_member *seconds;
    const char *before;
    struct action x;

    if (!action_begin(&x, a, out))
        return ANSWER_DONE;
    seconds = body_find(&x.body, "seconds");
    if (seconds == NULL || seconds->type != BODY_NUMBER ||
        !(seconds->number > 0 && seconds->number <= SECONDS_MAX))
        return answer_error(a, out, 400, "expected {\"seconds\":N}, more than 0 and at most %d",
                            SECONDS_MAX);
    before = standing_name_of(&x);
    if (!board_eject(x.segment, x.slot, (uint64_t)(seconds->number * 1000) + 1, x.now_ms))
        return answer_error(a, out, 409,
                            "%s stays: it is down, or the last available one, or half are out",
                            x.who.name);
    changes_note(x.segment, x.slot, before, "ejected", "admin", x.why);
    log_event(LOG_WARN, "backend_ejected", LOG_PAIRS(BY_ADMIN(&x)),
              "%s is ejected for %g s, as a person says%s%s", x.who.name, seconds->number,
              SHOWN_WHY(&x));
    return tell_state(&x);
}

enum answer_step actions_readmit(struct answer *a, struct buffer *out)
{
    struct action x;

    if (!action_begin(&x, a, out))
        return ANSWER_DONE;
    if (!board_readmit(x.segment, x.slot))
        return answer_error(a, out, 409, "%s is not ejected", x.who.name);
    changes_note(x.segment, x.slot, "ejected", standing_name_of(&x), "admin", x.why);
    log_event(LOG_INFO, "backend_readmitted", LOG_PAIRS(BY_ADMIN(&x)),
              "%s gets its share again, as a person says%s%s", x.who.name, SHOWN_WHY(&x));
    return tell_state(&x);
}

/* The monitor looks at once; its verdict follows. */
enum answer_step actions_check(struct answer *a, struct buffer *out)
{
    struct action x;

    if (!action_begin(&x, a, out))
        return ANSWER_DONE;
    evidence_ask_to_look(x.segment, x.slot);
    a->status = 202;
    return tell_state(&x);
}
