/*
 * bond - what ends with its holder.
 *
 * The holder has a pointer to the first of its bonds, NULL at first, and knows nothing else of
 * them.
 */
#ifndef BASE_BOND_H
#define BASE_BOND_H

#include <stddef.h>

struct bond {
    struct bond *next, **at; /* at: what points here; NULL: it is tied to nobody */
    void (*on_over)(struct bond *);
};

static inline void bond_tie(struct bond **holder, struct bond *bond)
{
    bond->next = *holder;
    bond->at = holder;
    if (bond->next != NULL)
        bond->next->at = &bond->next;
    *holder = bond;
}

/* May be called twice, and for a bond that was never tied. */
static inline void bond_cut(struct bond *bond)
{
    if (bond->at == NULL)
        return;
    *bond->at = bond->next;
    if (bond->next != NULL)
        bond->next->at = bond->at;
    bond->at = NULL;
}

static inline void bonds_end(struct bond **holder)
{
    while (*holder != NULL) {
        struct bond *bond = *holder;

        bond_cut(bond);
        bond->on_over(bond);
    }
}

#endif
