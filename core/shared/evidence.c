/*
 *            asked, and woken          begin                     asked
 *   NONE --------------------> ASKED --------> UNDER_WAY ---------------------> AGAIN
 *     ^                                         |    ^                            |
 *     `------------------- end -----------------'    `------------ end -----------'
 *
 * While a look is under way, another request for one writes the word only: a look costs one system
 * call, however many connects fail. A worker that dies before it has woken the monitor leaves
 * ASKED, which the next check by the interval finds.
 */
#include "shared/evidence.h"

#include "shared/wake.h"

enum look { LOOK_NONE, LOOK_ASKED, LOOK_UNDER_WAY, LOOK_AGAIN };

enum { COUNT_SHIFT = 40, COUNT_MAX = 0xffffff };

static const uint64_t TIME_MASK = (1ull << COUNT_SHIFT) - 1;

/* --- connects that fail --- */

bool evidence_note_failed(struct segment *s, unsigned slot, uint64_t now_ms)
{
    _Atomic uint64_t *failed = &segment_backend(s, slot)->connects_failed;
    uint64_t word = atomic_load(failed);
    uint64_t count;

    do
        count = (word >> COUNT_SHIFT) + (word >> COUNT_SHIFT < COUNT_MAX);
    while (
        !atomic_compare_exchange_weak(failed, &word, count << COUNT_SHIFT | (now_ms & TIME_MASK)));
    return count >= EVIDENCE_CONNECTS;
}

void evidence_note_checked(struct segment *s, unsigned slot, uint64_t began_ms)
{
    _Atomic uint64_t *failed = &segment_backend(s, slot)->connects_failed;
    uint64_t word = atomic_load(failed);

    if (word != 0 &&
        (word & TIME_MASK) < began_ms) /* a connect that fails meanwhile changes the word */
        atomic_compare_exchange_strong(failed, &word, 0);
}

void evidence_clear(struct segment *s, unsigned slot)
{
    atomic_store(&segment_backend(s, slot)->connects_failed, 0);
    atomic_store(&segment_backend(s, slot)->look, LOOK_NONE);
}

/* --- looks --- */

int evidence_open(struct segment *s)
{
    if (s->look_fd < 0)
        s->look_fd = wake_make();
    return s->look_fd < 0 ? -1 : 0;
}

void evidence_ask_to_look(struct segment *s, unsigned slot)
{
    _Atomic uint32_t *look = &segment_backend(s, slot)->look;
    uint32_t state = atomic_load(look);

    while (state == LOOK_NONE || state == LOOK_UNDER_WAY) {
        uint32_t asked = state == LOOK_NONE ? LOOK_ASKED : LOOK_AGAIN;

        if (!atomic_compare_exchange_weak(look, &state, asked))
            continue;
        if (asked == LOOK_ASKED)
            wake_call(s->look_fd);
        return;
    }
}

void evidence_hear(struct segment *s)
{
    wake_clear(s->look_fd);
}

bool evidence_begin_look(struct segment *s, unsigned slot)
{
    _Atomic uint32_t *look = &segment_backend(s, slot)->look;
    uint32_t state = atomic_load(look);

    return state == LOOK_ASKED && atomic_compare_exchange_strong(look, &state, LOOK_UNDER_WAY);
}

bool evidence_go_on_looking(struct segment *s, unsigned slot)
{
    _Atomic uint32_t *look = &segment_backend(s, slot)->look;

    if (atomic_load(look) == LOOK_NONE)
        return false;
    atomic_store(look, LOOK_UNDER_WAY);
    return true;
}

bool evidence_end_look(struct segment *s, unsigned slot)
{
    uint32_t under_way = LOOK_UNDER_WAY;
    _Atomic uint32_t *look = &segment_backend(s, slot)->look;

    if (atomic_compare_exchange_strong(look, &under_way, LOOK_NONE))
        return false;
    atomic_store(look, LOOK_UNDER_WAY);
    return true;
}
