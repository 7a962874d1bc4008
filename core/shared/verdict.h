/*
 * verdict - one backend's state, reason and since in one word, and in words. Pure, but for the log.
 */
#ifndef SHARED_VERDICT_H
#define SHARED_VERDICT_H

#include "base/buffer.h"

/* Why a backend is in the state it is in, and what a verdict's code says then:
 * VERDICT_CONNECT and VERDICT_TRAFFIC a negative errno, as do VERDICT_CLOSED and VERDICT_CUT
 * if the connection did not end but break (else 0); VERDICT_TIMED_OUT and VERDICT_SILENT
 * minus the time waited in ms (0: longer than can be said); VERDICT_UNRESOLVED the
 * resolver's code (EAI_*, as libuv numbers them) or 0 if the resolver did not answer
 * in time; VERDICT_STATUS minus the status. */
enum verdict_reason {
    VERDICT_UNCHECKED,  /* at start, before the first check */
    VERDICT_CHECKED,    /* a check succeeded: it accepts connections */
    VERDICT_CONNECT,    /* a check's connect failed */
    VERDICT_TIMED_OUT,  /* a check's connect took too long */
    VERDICT_UNRESOLVED, /* its name leads nowhere */
    VERDICT_TRAFFIC,    /* connects of requests failed; up: one went well while none was up */
    /* of a check by HTTP, after it was accepted: */
    VERDICT_STATUS,     /* the status of the answer: up if it is a healthy one */
    VERDICT_SILENT,     /* no whole head of an answer in time */
    VERDICT_NOT_HTTP,   /* an answer, but not one of HTTP/1 */
    VERDICT_LARGE_HEAD, /* a head that goes beyond the limits */
    VERDICT_CLOSED,     /* closed before the first byte of an answer */
    VERDICT_CUT,        /* closed in the middle of the head */
    /* of a check by gRPC: */
    VERDICT_GRPC,    /* the call failed: minus its grpc-status */
    VERDICT_SERVING, /* minus what the server says of itself, as health/serving.h numbers it */
    VERDICT_SCRIPT,  /* a check by the script says so; the monitor knows its words */
};

enum { VERDICT_CODE_MAX = (1 << 19) - 1 };

struct verdict {
    bool up;
    enum verdict_reason reason;
    int code;          /* 0, or negative to -VERDICT_CODE_MAX */
    uint64_t since_ms; /* 40 bits */
};

uint64_t verdict_pack(struct verdict); /* up:1 reason:4 code:19 since_ms:40 */
struct verdict verdict_unpack(uint64_t word);
/* "connection refused", "no answer within 1 s", "status 503": for the log and for scripts. */
void verdict_describe(struct buffer *, struct verdict);
/* That a backend has changed. Takes the words of the reason, and adds a NUL. */
void verdict_log(bool up, const char *name, const char *address, struct buffer *reason);

#endif
