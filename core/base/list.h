/*
 * list - a ring of nodes embedded in what they list.
 *
 * A node that is in no list points at itself, so list_remove may be called
 * twice and on a node that was only initialised.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct list_node {
    struct list_node *next, *previous;
};

#define list_entry(node, type, member) ((type *)list_owner((node), offsetof(type, member)))

static inline void *list_owner(const void *node, size_t offset)
{
    return (char *)(uintptr_t)node - offset;
}

static inline void list_init(struct list_node *node)
{
    node->next = node->previous = node;
}

static inline bool list_is_empty(const struct list_node *head)
{
    return head->next == head;
}

static inline bool list_has_node(const struct list_node *node)
{
    return node->next != node;
}

static inline void list_prepend(struct list_node *head, struct list_node *node)
{
    node->next = head->next;
    node->previous = head;
    head->next->previous = node;
    head->next = node;
}

static inline void list_append(struct list_node *head, struct list_node *node)
{
    list_prepend(head->previous, node); /* behind the last one */
}

/* Empties the other list into the front of this one. */
static inline void list_move_all(struct list_node *head, struct list_node *from)
{
    if (from->next == from)
        return;
    from->previous->next = head->next;
    head->next->previous = from->previous;
    head->next = from->next;
    from->next->previous = head;
    list_init(from);
}

static inline void list_remove(struct list_node *node)
{
    node->next->previous = node->previous;
    node->previous->next = node->next;
    list_init(node);
}

#endif
