/*
 * dns_answer - what a DNS server has answered, as plain data.
 *
 * The bytes are walked by libresolv (ns_initparse, ns_parserr). Nothing of an answer is used that
 * was not asked for: the question must come back, records must be of the name or of what its
 * aliases lead to, and a truncated answer is none.
 */
#ifndef DIAL_DNS_ANSWER_H
#define DIAL_DNS_ANSWER_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    DNS_NAME_BYTES = 1025, /* with its NUL, as text: each byte of 255 may take four */
    DNS_RECORDS_MAX = 4096,
    DNS_ALIASES_MAX = 16,
};

enum dns_type { /* as on the wire */
                DNS_A = 1,
                DNS_TXT = 16,
                DNS_AAAA = 28,
                DNS_SRV = 33,
};

enum dns_outcome {
    DNS_FOUND,
    DNS_EMPTY, /* the name is there, without a record of that type */
    DNS_UNKNOWN_NAME,
    /* From here on nothing is known of the name. */
    DNS_SERVER_FAILED,
    DNS_REFUSED,
    DNS_OTHER_ERROR, /* another code of the server */
    DNS_TRUNCATED,
    DNS_GARBAGE, /* no answer to what was asked, or none that can be read */
    DNS_TOO_MANY,
    DNS_TIMED_OUT,
    DNS_UNREACHABLE,
    DNS_BAD_NAME, /* nobody was asked */
};

struct dns_record {
    uint16_t type;
    uint16_t priority, weight, port; /* of SRV */
    uint32_t ttl_s;
    union {
        uint8_t address[16]; /* four bytes for A */
        struct {
            uint32_t at, length; /* in texts: the target of SRV, the text of TXT */
        } text;
    } data;
    uint32_t owner; /* of an extra one: where its name stands in texts */
};

struct dns_answer { /* all zero owns nothing */
    enum dns_outcome outcome;
    /* The smallest of all records that led here. Of an empty answer: for how long it holds by its
     * SOA; DNS_TTL_UNKNOWN without one. */
    uint32_t ttl_s;
    unsigned count;  /* of records that were asked for */
    unsigned extras; /* behind them: addresses that the server has added to SRV records */
    struct dns_record *records;
    struct buffer texts; /* each ends with a NUL */
};

#define DNS_TTL_UNKNOWN UINT32_MAX

/* Fills *answer, which the caller disposes of, whatever the outcome. */
void dns_answer_read(struct dns_answer *, const uint8_t *bytes, size_t length, const char *name,
                     enum dns_type);
void dns_answer_dispose(struct dns_answer *); /* all zero again */

/* The text of a SRV or TXT record; of an extra one its owner. Until the answer is disposed of. */
const char *dns_answer_text(const struct dns_answer *, const struct dns_record *);
const char *dns_answer_owner(const struct dns_answer *, const struct dns_record *);

/* Two names but for letter case and a dot at the end. */
bool dns_name_is(const char *a, const char *b);

static inline bool dns_is_known(enum dns_outcome outcome) /* also that there is nothing */
{
    return outcome <= DNS_UNKNOWN_NAME;
}

const char *dns_outcome_text(enum dns_outcome); /* "nxdomain", "servfail", "timeout" .. */

#endif
