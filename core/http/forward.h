/*
 * forward - the head that is forwarded: what a proxy drops, rewrites and adds.
 *
 * Fields of the connection and those that Connection names end here (RFC 9110,
 * 7.6.1); framing fields are written anew, never copied; everything else keeps
 * its bytes, order, letter case and repetition.
 */
#ifndef HTTP_FORWARD_H
#define HTTP_FORWARD_H

#include "base/arena.h"
#include "http/field_changes.h"
#include "http/framing.h"
#include "http/head.h"
#include "http/target.h"

struct forward_request {
    const struct head *head;
    const struct target *target;
    enum framing framing;
    uint64_t length;
    struct slice host;    /* what Host says; the backend's own for a request without one */
    struct slice peer_ip; /* of the connection's other end, as text */
    struct slice proto;   /* "http" */
    /* The peer may speak for others: its X-Forwarded-* and Forwarded are appended to and kept.
     * Anybody else's are dropped before ours are added. */
    bool is_trusted;
    bool adds_forwarded; /* the setting `forwarded`: add Forwarded (RFC 7239), too */
    bool wants_upgrade;  /* forward Upgrade, without h2c (RFC 9110, 7.8) */
    bool drops_expect;   /* somebody has said 100 already (RFC 9110, 10.1.1) */
    bool has_max_forwards;
    uint64_t max_forwards; /* as it came, not 0; one less is forwarded */
    bool names_no_host;    /* the client did not: what we say of it leaves the host out */
    struct slice new_host; /* what Host says instead, to the backend alone; may be empty */
    const struct field_changes *changes; /* of X-Forwarded-* and Forwarded, too; or NULL */
    bool omits_via;                      /* the setting `via`; the changes may say so, too */
    struct slice traceparent; /* says so in place of the client's; empty: that one goes on */
    bool drops_tracestate;    /* the client's */
};

struct forward_response {
    const struct head *head;
    /* Of the message that goes to the client, which its connection decides. */
    enum framing framing;
    uint64_t length;
    enum version client_version;
    bool closes;       /* the connection ends with this response */
    struct slice date; /* what a final response without Date gets (RFC 9110, 6.6.1); may be empty */
    bool is_upgrade;   /* a 101 that the client has asked for: keeps Upgrade */
    const struct field_changes *changes; /* of a final response, or NULL */
    bool omits_via;                      /* as of a request */
};

/* Is a request's field of that name forwarded, if there is one? Fields of framing and of the
 * connection are in a way, as they are written anew, but for what ends here always. */
bool forward_passes(const struct head *, struct slice name, bool is_trusted);
/* Head bytes, with the empty line at the end, in the arena. */
struct slice forward_request_head(struct arena *, const struct forward_request *);
struct slice forward_response_head(struct arena *, const struct forward_response *);

/* The trailer fields that are forwarded, as lines, in the arena, without the empty line at the end.
 * May be empty. Dropped are fields of the connection, fields that head's Connection names, fields
 * that must not be trailers (framing, routing, authentication, control: RFC 9110, 6.5.1), and
 * fields that the request's changes set or remove (NULL: none). */
struct slice forward_trailers(struct arena *, const struct head *, const struct field *trailers,
                              unsigned count, const struct field_changes *);

#endif
