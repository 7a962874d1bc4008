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

#include "shared/ejection.h"
#include "shared/segment.h"
#include "shared/verdict.h"

#include <netinet/in.h>

void board_init(struct segment *, unsigned backends); /* all down, VERDICT_UNCHECKED */
/* The slot is a new backend's from now on: down, VERDICT_UNCHECKED; what traffic said of who was
 * there before stays (numbers_clear). And it is no backend's of the current script any more:
 * requests that began with another one may still go there, but it does not count. */
void board_open_slot(struct segment *, unsigned slot);
void board_leave_slot(struct segment *, unsigned slot);
struct verdict board_verdict(const struct segment *, unsigned backend);

/* Sets it. True for exactly one caller per change, that one logs it; a change is
 * another up, or the first verdict after VERDICT_UNCHECKED. Down for another
 * reason is noted, since stays. */
bool board_set_up(struct segment *, unsigned backend, enum verdict_reason, int code,
                  uint64_t now_ms);
bool board_set_down(struct segment *, unsigned backend, enum verdict_reason, int code,
                    uint64_t now_ms);

/* The attempt failed by the backend's fault. The time for which it is out now,
 * in ms, if this failure ejected it (true for exactly one caller), else 0. Never
 * more than half of the backends are out at once; neither the last available backend
 * nor a backend that is down is ejected. If an ejection took n ms and another begins
 * within n ms after its end, that one takes twice as long. */
uint64_t board_note_failure(struct segment *, unsigned backend, const struct ejection_rule *,
                            uint64_t now_ms);
/* Somebody wants it out for so long, whatever traffic says, within the same limits: false if they
 * do not allow it. If it is out already the time begins anew. */
bool board_eject(struct segment *, unsigned backend, uint64_t for_ms, uint64_t now_ms);
/* The attempt went well. True if that ended an ejection (for exactly one caller): one whose time is
 * over, or whose backend was tried all the same. */
bool board_note_success(struct segment *, unsigned backend);
/* It is ejected no more. True for exactly one caller. */
bool board_readmit(struct segment *, unsigned backend);

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
/* The connect of a backend claimed in need has succeeded. True, for exactly one caller, if that
 * brought the backend up: only connects had failed, and no check has found a fault. */
bool board_note_reached(struct segment *, unsigned backend, uint64_t now_ms);

bool board_is_available(const struct segment *, unsigned backend, uint64_t now_ms);
uint64_t board_generation(const struct segment *);
/* When time alone will change what is available; UINT64_MAX if it will not. */
uint64_t board_next_change_ms(const struct segment *, uint64_t now_ms);

uint32_t board_failures_in_row(const struct segment *, unsigned backend);
/* It died: nothing of it is in flight. Nobody knows which trials were its own, so all are free. */
void board_forget_worker(struct segment *, unsigned worker);

/* Where a name leads. One writer (the monitor); readers keep their own copy. An
 * address that is there already is not written again. */
void board_publish_address(struct segment *, unsigned backend, const struct sockaddr *);
/* False if none is known or it is being written this moment (or its writer died
 * in the middle of that, until the next monitor has written); *version changes
 * with the address, so that a reader copies only what is new. */
bool board_read_address(const struct segment *, unsigned backend, uint32_t *version,
                        struct sockaddr_in6 *out); /* a sockaddr_in, if sin6_family says so */

#endif
