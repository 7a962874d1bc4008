/*
 * facts - what crosses between the proxy and a policy; nothing else does.
 *
 * Plain structs that the proxy fills and the policy reads lazily, and the
 * answers on the way back. The layout of facts_request and facts_failure is
 * also declared to LuaJIT's FFI in policy/hooks.lua: change both.
 */
#ifndef POLICY_FACTS_H
#define POLICY_FACTS_H

#include "base/arena.h"
#include "base/slice.h"
#include "http/field_changes.h"
#include "http/grpc.h"
#include "http/trace_context.h"
#include "net/tls_said.h"

#include <stdbool.h>
#include <stdint.h>

struct head; /* http/head.h */

struct facts_pair { /* that ctx:explain was given */
    struct facts_pair *next;
    struct slice key, value;
    char *room; /* for the value */
    size_t room_bytes;
    bool is_literal; /* a number or a boolean of JSON */
};

/* By which rule a backend was chosen, as far as lb's own code knows it. */
enum facts_rule {
    FACTS_RULE_NONE,     /* the script's own */
    FACTS_RULE_BUILT_IN, /* there is no choose, or it failed: round robin */
    FACTS_RULE_MIN,      /* backends:min(f) */
    FACTS_RULE_LEAST,    /* lb.policy.least_in_flight */
    FACTS_RULE_P2C_EWMA, /* lb.policy.p2c_ewma */
    FACTS_RULE_RING,     /* backends:ring(key) */
    FACTS_RULE_RANDOM,   /* lb.policy.random */
    FACTS_RULE_TURN,     /* counter:next(ctx, backends) */
    FACTS_RULE_COMPARED, /* ctx:compared */
    FACTS_RULES
};

enum { FACTS_COMPARED_MAX = 3 };

/* What the rule compared: the one that it took first. The layout is also in policy/lists.lua. */
struct facts_compared {
    uint32_t rule, count;
    uint32_t backends[FACTS_COMPARED_MAX + 1]; /* index + 1 each; 0: none of the script's */
    double values[FACTS_COMPARED_MAX];
};

enum {
    FACTS_FINALS_CALLED = 255
}; /* in finals: no more are taken; policy/hooks.lua knows it, too */

struct facts_request { /* borrowed by the policy while the exchange lives */
    struct slice id;
    struct slice method;
    struct slice target; /* as the client sent it */
    struct slice path;   /* the target's path, without "?" and what follows */
    struct slice query;  /* after the "?", may be empty */
    struct slice host;   /* of the request, without the port */
    struct slice scheme; /* "http" */
    struct slice client_ip;
    struct slice listener; /* the address at which it came in, as the settings have it; lives on */
    uint32_t client_port;
    uint32_t attempts;   /* backends tried, this one included: from 1 */
    uint32_t retries;    /* tries again on the same backend: from 0 */
    uint32_t tries;      /* all tries so far, this one included: from 1 */
    uint32_t idempotent; /* by its method, RFC 9110 9.2.2 */
    uint32_t replayable; /* may go out again after it was sent */
    double deadline_ms;  /* steady clock; 0: none */
    const struct head *head;
    struct arena *arena;   /* answers that must outlive the call are copied here */
    uint32_t allow_replay; /* set by ctx:allow_replay() */
    int32_t vars;          /* the policy's: number of ctx.vars, 0 until it was used */
    uint32_t finals;       /* the policy's: how many functions ctx:finally was given */
    uint32_t last;         /* the backend that was chosen last, its index + 1; 0: none yet */
    /* For the choose that runs; NULL: nobody keeps it. */
    struct facts_compared *compared;
    uint32_t by_fallback;         /* a hook failed for it, and the built-in rule decided */
    uint32_t is_trusted;          /* what it says of earlier clients is forwarded */
    struct facts_pair *explained; /* for the access line; in the arena */
    struct slice authority;       /* the Host that is forwarded; empty: the backend's own */
    uint64_t client;              /* one for each value of ctx.client; never 0 */
    struct slice clean_path;      /* as scripts compare it, once one has asked; in the arena, */
    const char *clean_path_fault; /* or why there is none */
    bool has_clean_path;          /* one of the two is known */
    bool has_compared_host;       /* host is as scripts compare it, too */
    bool no_log;                  /* set by ctx:no_log(): it has no line in the access log */
    const struct tls_said *tls;   /* of the client's connection; NULL: it has no TLS */
    const struct grpc_call *grpc; /* in the arena; NULL: it is no gRPC call */
    struct trace_context *trace;  /* in the arena; NULL: without the setting tracing */
};

/* What err.kind says to scripts. */
enum facts_failure_kind {
    FACTS_CONNECT, /* refused, unreachable */
    FACTS_TIMEOUT,
    FACTS_RESET,
    FACTS_PROTOCOL, /* what it sent is not HTTP */
    FACTS_RESOLVE,  /* its name leads nowhere */
    FACTS_TLS,      /* no handshake, or a certificate that is not trusted */
};

enum facts_phase { FACTS_PHASE_CONNECT, FACTS_PHASE_REQUEST, FACTS_PHASE_HEAD, FACTS_PHASE_BODY };

struct facts_failure {
    uint32_t kind;  /* enum facts_failure_kind */
    uint32_t phase; /* enum facts_phase */
    struct slice message;
    uint32_t backend; /* that it went to, an index */
};

struct facts_response { /* a final one, and nothing was sent to the client */
    uint32_t backend;   /* that it came from, an index */
    const struct head *head;
};

/* Which backends a choose may see: those available and not yet tried. The list
 * of first attempts stays the same until its generation changes. */
struct facts_choice {
    const uint32_t *backends; /* indices into the settings' list */
    uint32_t count;
    uint64_t generation; /* 0: made for this call only */
    bool panic;          /* too few are available, so it has the others, too */
};

enum facts_decision_kind {
    FACTS_BACKEND, /* send it there */
    FACTS_REFUSE,  /* no backend is fit: 503, and why */
    FACTS_RESPOND, /* the script answers itself */
};

/* What choose gives with a backend, in place of the settings and of what the client sent; in the
 * request's arena. */
struct facts_overrides {
    uint64_t connect_ms, response_head_ms, response_body_ms; /* 0: as in the settings */
    uint64_t deadline_ms;                                    /* over all tries, from now; 0: none */
    struct slice host; /* what the backend's Host says; empty: as the client's */
    struct slice path; /* the target that the backend sees, in origin form; likewise */
    struct field_changes request, response;
};

/* Of a response, before any of it has gone to the client. */
enum facts_review {
    FACTS_PASS,      /* as it is */
    FACTS_REPEAT,    /* the same backend once more */
    FACTS_ELSEWHERE, /* another one */
    FACTS_REPLACE,   /* an answer of the script's own */
};

struct facts_decision {
    enum facts_decision_kind kind;
    uint32_t backend;         /* index, for FACTS_BACKEND */
    bool by_fallback;         /* the script failed, for one of the request's attempts at least */
    bool failed;              /* fallback = "fail", and the script failed: answer 500 */
    struct slice why;         /* may be empty; in the request's arena */
    uint32_t status;          /* for FACTS_RESPOND */
    enum facts_review review; /* of on_response */
    struct slice body;        /* in the request's arena, like the fields */
    struct field *fields;
    uint32_t fields_count;
    struct facts_overrides *overrides; /* with FACTS_BACKEND, or of on_response; NULL: none */
    bool is_costly; /* for FACTS_REFUSE: the client's calls take too much time, for a second */
};

struct facts_result { /* how a request ended; the layout is also in policy/hooks.lua */
    double ms;
    double bytes_in, bytes_out; /* of the bodies */
    uint32_t status, attempts, retries;
    int32_t backend;     /* of the last try, its index; -1: none */
    int32_t grpc_status; /* as the client understands it; -1: none */
};

struct facts_check { /* what health(backend) says */
    bool is_up;
    struct slice reason; /* in the request's arena; may be empty */
};

enum facts_verdict { FACTS_RETRY, FACTS_NEXT, FACTS_FAIL };

/* Of policy/context.c: the host as hosts are compared, made when first asked for, and kept. */
const struct slice *context_host(struct facts_request *);

#endif
