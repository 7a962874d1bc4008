#include "http/h2_rules.h"

enum {
    GO = H2_GOES_ON,
    NO = H2_IS_IGNORED,
    RS = H2_BREAKS_STREAM,
    CL = H2_BREAKS_CLOSED,
    CE = H2_BREAKS_CONNECTION,
};

/* SETTINGS, PING and GOAWAY are never on a stream; CONTINUATION is none without its HEADERS; and
 * PUSH_PROMISE never comes, as we are a server or have refused it (8.4). */
static const uint8_t rules[H2_TYPES][H2_STREAM_STATES] = {
    /*                    idle, open, half local, half remote, ended, by peer, by us, forgotten */
    [H2_DATA] = {CE, GO, GO, RS, CL, RS, NO, RS},
    [H2_HEADERS] = {GO, GO, GO, RS, CL, RS, NO, CE},
    [H2_PRIORITY] = {NO, NO, NO, NO, NO, NO, NO, NO},
    [H2_RST_STREAM] = {CE, GO, GO, GO, NO, NO, NO, NO},
    [H2_SETTINGS] = {CE, CE, CE, CE, CE, CE, CE, CE},
    [H2_PUSH_PROMISE] = {CE, CE, CE, CE, CE, CE, CE, CE},
    [H2_PING] = {CE, CE, CE, CE, CE, CE, CE, CE},
    [H2_GOAWAY] = {CE, CE, CE, CE, CE, CE, CE, CE},
    [H2_WINDOW_UPDATE] = {CE, GO, GO, GO, NO, NO, NO, NO},
    [H2_CONTINUATION] = {CE, CE, CE, CE, CE, CE, CE, CE},
};

enum h2_verdict h2_rule(enum h2_stream_state state, enum h2_type type, enum h2_role role)
{
    if (type >= H2_TYPES)
        return H2_IS_IGNORED;
    if (type == H2_HEADERS && state == H2_IDLE && role == H2_CLIENT) /* a server opens none */
        return H2_BREAKS_CONNECTION;
    if ((type == H2_HEADERS || type == H2_DATA) && state == H2_FORGOTTEN && role == H2_CLIENT)
        return H2_IS_IGNORED; /* we have opened it, and have given it up */
    return (enum h2_verdict)rules[type][state];
}
