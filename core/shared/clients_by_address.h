/*
 * clients_by_address - how many open connections each client's address has, over all workers.
 *
 * Each worker counts its own in a table of its own, which nobody else writes; readers
 * add them up. The supervisor empties the table of a worker that died. Bounded: where
 * an address finds no room it is not counted (CLIENTS_BY_ADDRESS_WAYS).
 */
#ifndef SHARED_CLIENTS_BY_ADDRESS_H
#define SHARED_CLIENTS_BY_ADDRESS_H

#include "shared/segment.h"

/* What a client is counted under, never 0: a hash that no client can aim with. The caller has
 * made one of all addresses that count together (network_of_client). */
uint64_t clients_by_address_key(const struct segment *, const uint8_t client[16]);

/* One more in this worker. Gives how many there are over all, this one included, or 0 if
 * there was no room to count it. Two workers that add at the same time see each other, one
 * of them at least: if a worker that sees too many takes its own back, there are never too many
 * (and both may do so). */
uint32_t clients_by_address_add(struct segment *, unsigned worker, uint64_t key);
void clients_by_address_remove(struct segment *, unsigned worker,
                               uint64_t key);                             /* that was counted */
uint32_t clients_by_address_count(const struct segment *, uint64_t key);  /* over all workers */
void clients_by_address_forget_worker(struct segment *, unsigned worker); /* it died */

#endif
