/*
 * dns_channel - questions to one DNS server: the door to c-ares.
 *
 * c-ares makes ids and ports that nobody can guess, passes over answers of others, and asks over
 * TCP if an answer is truncated. What an answer says is read by dial/dns_answer.h.
 */
#ifndef DIAL_DNS_CHANNEL_H
#define DIAL_DNS_CHANNEL_H

#include "dial/dns_answer.h"
#include "net/loop.h"

#include <netinet/in.h>

struct dns_channel;
struct dns_query;

struct dns_question { /* embedded in what asks; all zero at first */
    void (*on_answered)(struct dns_question *);
    struct dns_answer answer; /* the owner's, from on_answered on, to dispose of */

    struct dns_query *query; /* the question's own */
    struct deferred soon;
    struct loop *loop;
};

/* An answer takes timeout_ms at most, and as long over TCP. */
struct dns_channel *dns_channel_new(struct loop *, const struct sockaddr *server,
                                    uint64_t timeout_ms);
/* The questions that are under way are answered by DNS_UNREACHABLE. */
void dns_channel_free(struct dns_channel *);

/* Ends in exactly one event, never before it has returned; after the cancel in silence. The name is
 * copied. */
void dns_question_ask(struct dns_question *, struct dns_channel *, const char *name, enum dns_type);
void dns_question_cancel(struct dns_question *); /* in any state */

#endif
