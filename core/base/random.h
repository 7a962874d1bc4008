/*
 * random - numbers that nobody needs to guess, quickly: for choices, not for secrets.
 *
 * One generator for each process, xoshiro256+ by Blackman and Vigna, which fork copies:
 * a process that forks seeds it anew.
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdint.h>

void random_seed(void); /* by the system's secure source */
uint64_t random_bits(void);
double random_unit(void);          /* 0 or more, less than 1; 53 bits */
uint32_t random_below(uint32_t n); /* 0 to n - 1, all as likely; 0 if n is 0 */

#endif
