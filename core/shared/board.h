/*
 * board - what is known of each backend, the same for all processes.
 *
 * The monitor writes what its checks find and where names lead; workers write
 * what real traffic met. A backend is available if it is up, not draining and
 * not ejected. Every change of any backend's availability changes the
 * generation, so readers may keep what they derived until it changes or until
 * board_next_change_ms; read the generation first, then derive. Times are the
 * steady clock's, in ms. A process may die at any instruction of this module
 * and leaves nothing that others would wait for.
 */
#ifndef SHARED_BOARD_H
#define SHARED_BOARD_H

#include "base/buffer.h"
#include "shared/segment.h"

#include <netinet/in.h>

/* Why a backend is in the state it is in, and what a verdict's code says then:
 * BOARD_CONNECT and BOARD_TRAFFIC a negative errno, as do BOARD_CLOSED and BOARD_CUT
 * if the connection did not end but break (else 0); BOARD_TIMED_OUT and BOARD_SILENT
 * minus the time waited in ms (0: longer than can be said); BOARD_UNRESOLVED the
 * resolver's code (EAI_*, as libuv numbers them) or 0 if the resolver did not answer
 * in time; BOARD_STATUS minus the status. */
enum board_reason {
    BOARD_UNCHECKED,  /* at start, before the first check */
    BOARD_CHECKED,    /* a check succeeded: it accepts connections */
    BOARD_CONNECT,    /* a check's connect failed */
    BOARD_TIMED_OUT,  /* a check's connect took too long */
    BOARD_UNRESOLVED, /* its name leads nowhere */
    BOARD_TRAFFIC,    /* connects of requests failed; up: one went well while none was up */
    /* of a check by HTTP, after it was accepted: */
    BOARD_STATUS,     /* the status of the answer: up if it is a healthy one */
    BOARD_SILENT,     /* no whole head of an answer in time */
    BOARD_NOT_HTTP,   /* an answer, but not one of HTTP/1 */
    BOARD_LARGE_HEAD, /* a head that goes beyond the limits */
    BOARD_CLOSED,     /* closed before the first byte of an answer */
    BOARD_CUT,        /* closed in the middle of the head */
    BOARD_SCRIPT,     /* a check by the script says so; the monitor knows its words */
};

enum { BOARD_CODE_MAX = (1 << 19) - 1 };

struct board_verdict {
    bool up;
    enum board_reason reason;
    int code;          /* 0, or negative to -BOARD_CODE_MAX */
    uint64_t since_ms; /* 40 bits */
};

void board_init(struct segment *, unsigned backends); /* all down, BOARD_UNCHECKED */
/* The slot is a new backend's from now on: down, BOARD_UNCHECKED; what traffic said of who was
 * there before stays (numbers_clear). And it is no backend's of the current script any more:
 * requests that began with another one may still go there, but it does not count. */
void board_open_slot(struct segment *, unsigned slot);
void board_leave_slot(struct segment *, unsigned slot);
bool board_slot_is_used(const struct segment *, unsigned slot);
struct board_verdict board_verdict(const struct segment *, unsigned backend);

/* Sets it. True for exactly one caller per change, that one logs it; a change is
 * another up, or the first verdict after BOARD_UNCHECKED. Down for another
 * reason is noted, since stays. */
bool board_set_up(struct segment *, unsigned backend, enum board_reason, int code, uint64_t now_ms);
bool board_set_down(struct segment *, unsigned backend, enum board_reason, int code,
                    uint64_t now_ms);

/* "connection refused", "no answer within 1 s", "status 503": for the log and for scripts. */
void board_describe(struct buffer *, struct board_verdict);

/* Ejection: failures of real traffic in a row. */
struct board_ejection_rule {
    uint32_t after;      /* failures in a row; 0: never */
    uint64_t for_ms;     /* the first time; doubles with each further one */
    uint64_t for_max_ms; /* and not beyond */
};

/* The attempt failed by the backend's fault. The time for which it is out now,
 * in ms, if this failure ejected it (true for exactly one caller), else 0. Never
 * more than half of the backends are out at once; neither the last available one
 * nor one that is down is ejected. An ejection that begins within the length of
 * the last one's after its end lasts twice as long. */
uint64_t board_note_failure(struct segment *, unsigned backend, const struct board_ejection_rule *,
                            uint64_t now_ms);
/* Somebody wants it out for so long, whatever traffic says, within the same limits: false if they
 * do not allow it. If it is out already the time begins anew. */
bool board_eject(struct segment *, unsigned backend, uint64_t for_ms, uint64_t now_ms);
/* The attempt went well. True if that ended an ejection (for exactly one caller). */
bool board_note_success(struct segment *, unsigned backend);

/* An ejected backend whose time is over is on trial: one attempt at a time may go there until one
 * has gone well. A trial's failure ejects again at once; that of an older attempt, met while nobody
 * is on trial, does not. True: this attempt is the trial, or none is needed; false: go elsewhere.
 * until_ms, not 0: when the attempt will be over at the latest. */
bool board_claim_trial(struct segment *, unsigned backend, uint64_t now_ms, uint64_t until_ms);
/* It ended without a verdict; until_ms as it was claimed. Does nothing if the trial
 * is another's by now. */
void board_release_trial(struct segment *, unsigned backend, uint64_t until_ms);

/* While none is available each may be tried all the same, down or ejected, by one attempt at a
 * time: the same claim, which has to be released. True without one if it is available by now. */
bool board_claim_in_need(struct segment *, unsigned backend, uint64_t now_ms, uint64_t until_ms);
bool board_is_claimed(const struct segment *, unsigned backend, uint64_t now_ms);
/* The connect of one that was claimed so went well. True if that brought the backend up (for
 * exactly one caller): if it was down for want of a connection, and for nothing that a check has
 * found. */
bool board_note_reached(struct segment *, unsigned backend, uint64_t now_ms);

bool board_is_available(const struct segment *, unsigned backend, uint64_t now_ms);
uint64_t board_generation(const struct segment *);
/* When time alone will change what is available; UINT64_MAX if it will not. */
uint64_t board_next_change_ms(const struct segment *, uint64_t now_ms);

uint32_t board_failures_in_row(const struct segment *, unsigned backend);
/* It died: nothing of it is in flight. Nobody knows which trials were its own, so all are free. */
void board_forget_worker(struct segment *, unsigned worker);
/* A process died, perhaps in the middle of a change: everybody looks again. */
void board_touch(struct segment *);

/* Where a name leads. One writer (the monitor); readers keep their own copy. An
 * address that is there already is not written again. */
void board_publish_address(struct segment *, unsigned backend, const struct sockaddr *);
/* False if none is known or it is being written this moment (or its writer died
 * in the middle of that, until the next monitor has written); *version changes
 * with the address, so that a reader copies only what is new. */
bool board_read_address(const struct segment *, unsigned backend, uint32_t *version,
                        struct sockaddr_in6 *out); /* a sockaddr_in, if sin6_family says so */

#endif
