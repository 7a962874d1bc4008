/*
 * explain - keeps how requests went and why, for `lb explain` and GET /decisions
 * (shared/decisions.h).
 *
 * What went wrong is kept always: it failed, was tried again, or the script failed for it. Of what
 * was refused or slow as much is kept as leaves half of that ring to the others, and of all other
 * requests as much that the ring reaches back explain.seconds. Half of that may come at once, so
 * on a quiet machine all requests are there.
 */
#ifndef PROXY_EXPLAIN_H
#define PROXY_EXPLAIN_H

#include "policy/facts.h"

struct access_record; /* proxy/access_log.h */
struct plan;
struct segment;

struct explain { /* of a worker */
    struct segment *segment;
    unsigned worker;
    /* How far what was kept goes beyond now, if one may be kept each so many us. */
    uint64_t usual_us, refused_us;
};

/* If the plan keeps some: before the policy is asked to choose, */
void explain_choose(struct facts_request *, struct access_record *, const struct facts_choice *);
/* and when the request is over. */
void explain_request(struct explain *, const struct plan *, const struct access_record *);

#endif
