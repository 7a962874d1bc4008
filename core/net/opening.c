#include "net/opening.h"

#include <string.h>

static const double EXTRAS_PART = 0.1; /* of the connections begun */

enum { SECOND_MS = 250, THIRD_MS = 600, AGAIN_MS = 100 };

static int opening_begin(struct opening *o)
{
    int status = o->kind->begin(o, &o->connections[o->count]);

    if (status != 0)
        return status;
    o->count++;
    o->begun++;
    return 0;
}

static bool opening_may_have_extra(const struct opening *o)
{
    unsigned of_it = o->begun > 1 ? 1 : 0;

    return o->insists || o->account->helped == of_it || /* no other opening has one */
           allowance_has(&o->account->extras, loop_now_ms(o->loop));
}

/* Takes one out of those that are under way. */
static void opening_forget(struct opening *o, const void *connection)
{
    unsigned i = 0;

    while (o->connections[i] != connection)
        CHECK(++i < o->count);
    o->count--;
    memmove(&o->connections[i], &o->connections[i + 1], (o->count - i) * sizeof *o->connections);
}

static void opening_drop(struct opening *o, void *connection)
{
    opening_forget(o, connection);
    o->kind->close(connection);
}

/* If an extra connection cannot begin, for want of a descriptor or by the account, that is no
 * failure: the others continue, and soon one may be able to begin. */
static void on_next(struct deadline *d)
{
    struct opening *o = list_entry(d, struct opening, next);

    CHECK(o->count > 0);
    if (o->count == OPENING_TRIES)
        opening_drop(o, o->connections[0]);
    if (!opening_may_have_extra(o) || opening_begin(o) != 0) {
        deadline_set(o->loop, &o->next, AGAIN_MS);
        return;
    }
    if (!o->insists)
        allowance_spend(&o->account->extras, loop_now_ms(o->loop));
    if (o->begun == 2)
        o->account->helped++;
    if (o->insists || o->begun < OPENING_TRIES)
        deadline_set(o->loop, &o->next, o->insists ? SECOND_MS : THIRD_MS - SECOND_MS);
}

void opening_init(struct opening *o, const struct opening_kind *kind)
{
    o->kind = kind;
    o->count = o->begun = 0;
    o->insists = false;
    deadline_init(&o->next, on_next);
}

int opening_start(struct opening *o, struct loop *loop, const struct sockaddr *to,
                  struct opening_account *account, uint64_t within_ms)
{
    int status;

    o->loop = loop;
    o->to = to;
    o->account = account;
    status = opening_begin(o);
    if (status != 0)
        return status;
    account->extras.fraction = EXTRAS_PART;
    allowance_note(&account->extras, loop_now_ms(loop));
    if (to->sa_family != AF_UNIX && within_ms > SECOND_MS)
        deadline_set(loop, &o->next, SECOND_MS);
    return 0;
}

void opening_settle(struct opening *o, void *connection)
{
    deadline_clear(&o->next);
    opening_forget(o, connection);
    while (o->count > 0)
        o->kind->close(o->connections[--o->count]);
    o->connections[o->count++] = connection;
}

void opening_won(struct opening *o, const void *connection)
{
    opening_forget(o, connection);
    opening_stop(o);
}

bool opening_lost(struct opening *o, void *connection, int code)
{
    if (code == UV_ETIMEDOUT && o->count > 1) { /* the kernel has given up that one */
        opening_drop(o, connection);
        return false;
    }
    opening_stop(o);
    return true;
}

void opening_stop(struct opening *o)
{
    deadline_clear(&o->next);
    if (o->begun > 1)
        o->account->helped--;
    o->begun = 0;
    while (o->count > 0)
        o->kind->close(o->connections[--o->count]);
}
