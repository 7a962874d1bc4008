#include "admin/control.h"

#include "admin/body.h"
#include "admin/json.h"
#include "base/clock.h"
#include "base/log.h"
#include "os/passing.h"
#include "shared/events.h"
#include "shared/reloaded.h"

#include <signal.h>

enum { LOOK_MS = 10, RELOAD_MAX_MS = 300000, LEVEL_SECONDS_MAX = 86400 };

/* --- reload --- */

static void put_settings(struct buffer *out, const char *member, struct slice settings)
{
    json_open_in(out, member, '[');
    while (settings.length > 0)
        json_slice(out, NULL, slice_trim(slice_take_until(&settings, ',')));
    json_close(out, ']');
}

static enum answer_step tell_result(struct answer *a, struct buffer *out)
{
    struct reloaded result;
    struct slice changed, kept;

    if (!reloaded_read(a->admin->segment, &result)) {
        a->wait_ms = LOOK_MS; /* another one has begun: its result will do, too */
        return ANSWER_WAITS;
    }
    changed = slice_of(result.text);
    kept = slice_take_until(&changed, ';');
    a->status = result.is_taken ? 200 : 422;
    json_open(out, '{');
    if (result.is_taken) {
        json_number(out, "edition", result.edition);
        put_settings(out, "changed", changed);
        if (kept.length > 0)
            put_settings(out, "kept", kept);
        json_number(out, "ms", result.ms);
    } else {
        json_text(out, "error", result.text);
        json_number(out, "line", result.line);
    }
    json_close(out, '}');
    buffer_append_byte(out, '\n');
    return ANSWER_DONE;
}

/* at: 0, it has not begun; then how many reloads were over, + 1. */
enum answer_step control_reload(struct answer *a, struct buffer *out)
{
    const struct segment *segment = a->admin->segment;
    uint64_t count = reloaded_count(segment), since_ms = reloaded_since_ms(segment);
    uint64_t now_ms = clock_steady_ms();

    if (atomic_load(&segment->is_stopping) != 0)
        return answer_error(a, out, 409, "lb drains: it loads no other script");
    if (a->at == 0 && since_ms != 0)
        return answer_error(a, out, 409, "a reload is under way since %.1f s",
                            (double)(now_ms - since_ms) / 1000);
    if (a->at == 0) {
        a->at = count + 1;
        a->began_ms = now_ms;
        kill(a->admin->supervisor, SIGHUP);
    }
    if (count + 1 > a->at)
        return tell_result(a, out);
    if (now_ms > a->began_ms + RELOAD_MAX_MS)
        return answer_error(a, out, 504, "the reload has no result yet: see the log");
    a->wait_ms = LOOK_MS;
    return ANSWER_WAITS;
}

/* --- another program --- */

/* The supervisor answers, or the program that has taken its place by then. */
enum answer_step control_upgrade(struct answer *a, struct buffer *out)
{
    const char upgrade = 'u';

    if (a->admin->upgrades < 0 || passing_send(a->admin->upgrades, &upgrade, 1, &a->socket, 1) != 0)
        return answer_error(a, out, 503, "the supervisor does not listen: ask again");
    kill(a->admin->supervisor, SIGCHLD); /* wakes it: it looks there in each turn */
    return ANSWER_PASSED;
}

/* --- the end --- */

/* Only who is the first sends SIGTERM: a second one would cut short what is under way. */
enum answer_step control_drain(struct answer *a, struct buffer *out)
{
    uint32_t none = 0;

    if (atomic_compare_exchange_strong(&a->admin->segment->is_leaving, &none, 1))
        kill(a->admin->supervisor, SIGTERM);
    buffer_append_text(out, "{\"draining\":true}\n");
    return ANSWER_DONE;
}

/* --- the level of the log --- */

static const char *const levels[] = {"debug", "info", "warn", "error"};

static int level_of(const struct body_member *level)
{
    for (int i = 0; level != NULL && level->type == BODY_TEXT && i <= LOG_ERROR; i++)
        if (slice_is(level->text, slice_of(levels[i])))
            return i;
    return LOG_AS_OPENED;
}

/* {"level":"debug","seconds":600}; seconds 0: as lb was started. */
enum answer_step control_log(struct answer *a, struct buffer *out)
{
    const struct body_member *seconds;
    struct body body;
    int level;

    if (!body_read(&body, a->body))
        return answer_error(a, out, 400, "the body: %s", body.wrong);
    level = level_of(body_find(&body, "level"));
    seconds = body_find(&body, "seconds");
    if (seconds == NULL || seconds->type != BODY_NUMBER ||
        !(seconds->number >= 0 && seconds->number <= LEVEL_SECONDS_MAX) ||
        (level == LOG_AS_OPENED && seconds->number > 0))
        return answer_error(a, out, 400,
                            "expected {\"level\":\"debug\",\"seconds\":600}: debug, info, warn or "
                            "error, for at most %d s; 0 s: as lb was started",
                            LEVEL_SECONDS_MAX);
    events_set_level(a->admin->segment, level,
                     clock_steady_ms() + (uint64_t)(seconds->number * 1000));
    log_event(LOG_WARN, "log_level",
              LOG_PAIRS({"level", level >= 0 ? levels[level] : "as started"},
                        {"#seconds", LOG_SECONDS((uint64_t)(seconds->number * 1000))}),
              "the level of the log is %s for %g s", level >= 0 ? levels[level] : "as started",
              seconds->number);
    json_open(out, '{');
    json_text(out, "level", level >= 0 ? levels[level] : "as started");
    json_double(out, "seconds", seconds->number);
    json_close(out, '}');
    buffer_append_byte(out, '\n');
    return ANSWER_DONE;
}
