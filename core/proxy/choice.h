/*
 * choice - which backends a request may still go to.
 */
#ifndef PROXY_CHOICE_H
#define PROXY_CHOICE_H

#include "base/arena.h"
#include "policy/facts.h"
#include "upstream/backend.h"

struct choice { /* all zero at first, but for the two that it borrows */
    struct backends *backends;
    struct arena *arena;
    uint8_t *tried; /* a bit for each backend that gets no further try; NULL: none yet */
    uint8_t *full;  /* of these those that had no room; NULL: none yet */
    bool has_full;
    uint32_t *rest; /* room for a list of those not tried; NULL: none was asked for */
    uint32_t rest_room;
};

bool choice_note_tried(struct choice *, uint32_t backend); /* false: it was noted already */
bool choice_note_full(struct choice *, uint32_t backend);  /* it has no room; false as above */
bool choice_was_full(const struct choice *, uint32_t backend);
/* Those that have room now, or are not available any more, may be tried again. */
void choice_forget_full(struct choice *);
/* It could not be claimed, as another request tries it; false as above. While none is up, nor can
 * others be that are tried this moment. */
bool choice_note_claimed(struct choice *, uint32_t backend);
/* Those available and not tried, until the next call. The list of first attempts is everybody's: it
 * stays the same, and carries a generation, until a backend's state changes. */
struct facts_choice choice_list(struct choice *);

#endif
