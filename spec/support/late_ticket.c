/*
 * late_ticket - core/net/tls_remote.c with connections and a clock that a spec makes up.
 */
#include "base/clock.h"
#include "net/tls.h"

#include <openssl/ssl.h>

static struct tls late_connection;
static int late_was_resumed;
static uint64_t late_now_ms;

#undef SSL_get_app_data
#define SSL_get_app_data(ssl)   ((void)(ssl), &late_connection)
#define SSL_session_reused(ssl) ((void)(ssl), late_was_resumed)
#define clock_steady_ms()       late_now_ms
#include "net/tls_remote.c"

static struct tls_target late_target;

/* A session comes of a connection. */
void play_ticket(uint64_t began_ms, bool was_resumed, uint32_t version)
{
    SSL_SESSION *session = SSL_SESSION_new();

    late_connection.target = &late_target;
    late_connection.target_version = version;
    late_connection.began_us = began_ms * 1000;
    late_was_resumed = was_resumed;
    if (on_session(NULL, session) == 0)
        SSL_SESSION_free(session);
}

bool play_ticket_resumes(uint64_t now_ms)
{
    late_now_ms = now_ms;
    return may_resume(&late_target, now_ms);
}

void play_ticket_end(void)
{
    tls_target_dispose(&late_target);
}
