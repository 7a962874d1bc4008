/*
 * asker - who has asked over the admin listener for an upgrade, and gets its result.
 *
 * The admin process passes the connection to the supervisor and forgets it. So it outlives that
 * process, and goes from one program to the next like the sockets that listen.
 */
#include "process/supervisor_inside.h"

#include "admin/json.h"
#include "base/clock.h"
#include "base/date.h"
#include "http/reason.h"
#include "os/passing.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* At once: a client that does not even take so much gets nothing. Children that have the
 * connection, too, do not hold up its end. */
static void send_answer(int client, unsigned status, const struct buffer *body)
{
    struct slice date = date_now(), text = buffer_slice(body);
    struct buffer out = {0};

    buffer_printf(&out,
                  "HTTP/1.1 %u %s\r\nDate: %.*s\r\nContent-Type: application/json\r\n"
                  "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                  "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                  status, reason_of(status), (int)date.length, date.start, text.length);
    buffer_append(&out, text);
    text = buffer_slice(&out);
    (void)!send(client, text.start, text.length, MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(client, SHUT_WR);
    buffer_dispose(&out);
}

static void refuse(int client, unsigned status, const char *why)
{
    struct buffer body = {0};

    json_open(&body, '{');
    json_text(&body, "error", why);
    json_number(&body, "status", status);
    json_close(&body, '}');
    buffer_append_byte(&body, '\n');
    send_answer(client, status, &body);
    buffer_dispose(&body);
}

static void refuse_and_close(int client, unsigned status, const char *why)
{
    refuse(client, status, why);
    close(client);
}

/* --- the question --- */

static bool is_under_way(const struct supervisor *s)
{
    return s->upgrade.is_wanted || upgrade_is_tried(s) || takeover_is_on(s);
}

static bool is_leaving(const struct supervisor *s) /* within drain.delay_s */
{
    return s->state == SUPERVISOR_RUNNING && s->state_ends_ms != UINT64_MAX;
}

static void ask(struct supervisor *s, int client)
{
    char why[64];

    if (s->state >= SUPERVISOR_DRAINING || is_leaving(s)) {
        refuse_and_close(client, 409, "lb drains: it takes no other program");
    } else if (is_under_way(s)) {
        snprintf(why, sizeof why, "an upgrade is under way since %.1f s",
                 (double)(clock_steady_ms() - s->upgrade.began_ms) / 1000);
        refuse_and_close(client, 409, why);
    } else {
        s->upgrade.asker = client;
        upgrade_ask(s);
    }
}

void asker_read(struct supervisor *s)
{
    int fds[PASSING_MOST];
    unsigned count;
    char byte;

    while (s->admin.asks[0] >= 0 &&
           passing_receive(s->admin.asks[0], &byte, sizeof byte, fds, &count) > 0)
        for (unsigned i = 0; i < count; i++)
            ask(s, fds[i]);
}

/* --- the result --- */

void asker_refuse(struct supervisor *s, unsigned status, const char *why)
{
    if (s->upgrade.asker >= 0)
        refuse_and_close(s->upgrade.asker, status, why);
    s->upgrade.asker = -1;
}

void asker_tell(struct supervisor *s, const char *before, uint64_t ms, bool is_same_memory)
{
    struct buffer body = {0};

    if (s->upgrade.asker < 0)
        return;
    json_open(&body, '{');
    json_text(&body, "version", VERSION);
    json_text(&body, "before", before);
    json_number(&body, "ms", ms);
    json_flag(&body, "same_memory", is_same_memory);
    json_close(&body, '}');
    buffer_append_byte(&body, '\n');
    send_answer(s->upgrade.asker, 200, &body);
    close(s->upgrade.asker);
    s->upgrade.asker = -1;
    buffer_dispose(&body);
}

/* --- from one program to the next --- */

static void take_asks(struct supervisor *s)
{
    struct slice rest = handover_text(s->takeover.handover);
    struct record ours, its;

    if (handover_next(&rest, "asks", &ours) && handover_next(&rest, "asks", &its))
        admin_child_take_asks(&s->admin, (int)record_number(&ours, "fd", (uint64_t)-1),
                              (int)record_number(&its, "fd", (uint64_t)-1));
}

void asker_take(struct supervisor *s)
{
    struct slice rest = handover_text(s->takeover.handover);
    struct record r;

    take_asks(s);
    if (handover_next(&rest, "asker", &r))
        s->upgrade.asker = (int)record_number(&r, "fd", (uint64_t)-1);
    s->upgrade.began_ms = record_number(&s->takeover.handover->about, "began_ms", 0);
}

void asker_forget(struct supervisor *s)
{
    if (s->upgrade.asker >= 0)
        close(s->upgrade.asker);
    s->upgrade.asker = -1;
}

/* It stays open, as the next program finds it in what is handed over: what is sent there then is
 * lost. */
void asker_fail(const struct handover *h, const char *why)
{
    struct slice rest = handover_text(h);
    struct record r;

    if (handover_next(&rest, "asker", &r))
        refuse((int)record_number(&r, "fd", (uint64_t)-1), 422, why);
}
