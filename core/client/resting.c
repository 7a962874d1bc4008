/*
 * Connections that wait for a request, and which of them goes first when something has run out.
 */
#include "client/admission.h"
#include "client/clients.h"
#include "client/h2.h"

enum { REST_LEAST_MS = 50 }; /* the next request may be on its way */

bool client_is_resting(const struct client *c)
{
    return c->state == CLIENT_IDLE || c->state == CLIENT_INTRODUCTION ||
           c->state == CLIENT_HANDSHAKE ||
           (c->state == CLIENT_HEAD && parse_is_at_start(&c->incoming->parse)) ||
           c->state == CLIENT_PREFACE || (c->state == CLIENT_H2 && h2_client_rests(c));
}

void resting_note(struct client *c, enum clients_list list)
{
    c->rested_ms = (uint32_t)loop_now_ms(c->clients->loop);
    list_remove(&c->node);
    list_append(&c->clients->lists[list], &c->node);
}

/* Where it belongs, which may be where it is not yet. */
static enum clients_list client_belongs_to(const struct client *c)
{
    if (c->state == CLIENT_LINGERING)
        return CLIENTS_LEAVING;
    if (!client_is_resting(c))
        return CLIENTS_BUSY;
    if (!c->has_served)
        return CLIENTS_SILENT;
    return admission_trusts(c) ? CLIENTS_TRUSTED : CLIENTS_IDLE;
}

/* The first that belongs to the list. Moves others to theirs: so each is met once for each time
 * that it rested, however many there are. */
static struct client *clients_first(struct clients *clients, enum clients_list list)
{
    struct list_node *head = &clients->lists[list];

    while (!list_is_empty(head)) {
        struct client *c = list_entry(head->next, struct client, node);
        enum clients_list right = client_belongs_to(c);

        if (right <= list)
            return c;
        list_remove(&c->node);
        list_append(&clients->lists[right], &c->node);
    }
    return NULL;
}

/* What has come is read in this turn. An answer that the client's system does not have yet would be
 * lost. */
static bool client_may_go(struct client *c)
{
    uint32_t rests_ms = (uint32_t)loop_now_ms(c->clients->loop) - c->rested_ms;

    return rests_ms >= REST_LEAST_MS && !stream_has_bytes(&c->stream) &&
           (c->state != CLIENT_LINGERING || stream_unsent(&c->stream) == 0);
}

bool clients_give_up(struct clients *clients)
{
    for (unsigned list = 0; list < CLIENTS_BUSY; list++) {
        struct client *c = clients_first(clients, list);

        if (c != NULL && client_may_go(c)) {
            client_close(c);
            return true;
        }
        if (c != NULL && list == CLIENTS_IDLE) /* while there are others trusted ones stay */
            break;
    }
    return false;
}
