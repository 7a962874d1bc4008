#include "proxy/done.h"

#include "base/mem.h"
#include "http/head.h"

enum { ROOM_BYTES = 1024 };

struct done {
    struct plan *plan;
    struct list_node node;
    struct deferred begin;
    bool calls_on_done;
    bool has_begun;
    struct policy_call call;
    struct facts_request facts;
    struct facts_result result;
    struct incoming *in; /* whose memory it reads; NULL: its own */
    struct incoming_reader reader;
    size_t kept_bytes; /* of the copy, with this */
    struct head head;
    struct arena arena;
    char room[ROOM_BYTES]; /* the arena's first */
};

static void done_leave_incoming(struct done *d)
{
    if (d->in != NULL)
        d->in->reader = NULL;
    d->in = NULL;
}

static void done_over(struct done *d)
{
    struct plan *plan = d->plan;

    deferred_cancel(&d->begin);
    policy_cancel(&d->call);
    policy_forget(plan->policy, &d->facts);
    done_leave_incoming(d);
    list_remove(&d->node);
    plan->plans->dones_bytes -= d->kept_bytes;
    arena_dispose(&d->arena);
    mem_free(d);
    plan_release(plan);
}

static void on_policy_done(struct policy_call *call)
{
    done_over(list_entry(call, struct done, call));
}

/* --- the copy --- */

/* Path and query are usually parts of the target, which can be long. */
static struct slice copy_part(struct arena *arena, struct slice part, struct slice whole,
                              struct slice copy)
{
    if (part.start < whole.start || part.start + part.length > whole.start + whole.length)
        return arena_copy(arena, part);
    return (struct slice){copy.start + (part.start - whole.start), part.length};
}

static const struct grpc_call *copy_grpc(const struct grpc_call *call, struct arena *arena,
                                         struct slice target, struct slice copy)
{
    struct grpc_call *own;

    if (call == NULL)
        return NULL;
    own = arena_alloc(arena, sizeof *own);
    *own = *call;
    own->service = copy_part(arena, call->service, target, copy);
    own->method = copy_part(arena, call->method, target, copy);
    return own;
}

/* Gives how many bytes they are. */
static size_t copy_texts(struct facts_request *facts, struct arena *arena)
{
    struct slice *const texts[] = {
        &facts->id,     &facts->method,    &facts->host,
        &facts->scheme, &facts->client_ip, &facts->authority,
    };
    struct slice target = facts->target;
    size_t bytes = target.length;

    facts->target = arena_copy(arena, target);
    facts->has_clean_path = false; /* it would be made anew */
    facts->tls = tls_said_copy(facts->tls, arena);
    facts->path = copy_part(arena, facts->path, target, facts->target);
    facts->query = copy_part(arena, facts->query, target, facts->target);
    facts->grpc = copy_grpc(facts->grpc, arena, target, facts->target);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        bytes += texts[i]->length;
        *texts[i] = arena_copy(arena, *texts[i]);
    }
    return bytes;
}

/* Those for which there is room, whole and in their order. */
static void copy_fields(struct head *head, const struct head *from, struct arena *arena,
                        size_t room)
{
    head->fields = arena_alloc(arena, from->fields_count * sizeof *from->fields);
    head->fields_count = 0;
    for (unsigned i = 0; i < from->fields_count; i++) {
        const struct field *field = &from->fields[i];
        size_t bytes = field->name.length + field->value.length;

        if (bytes > room)
            continue;
        room -= bytes;
        head->fields[head->fields_count++] =
            (struct field){arena_copy(arena, field->name), arena_copy(arena, field->value)};
    }
}

static void done_copy(struct done *d)
{
    const struct head *head = d->facts.head;
    size_t bytes;

    done_leave_incoming(d);
    bytes = copy_texts(&d->facts, &d->arena);
    d->head = *head;
    d->head.method = d->facts.method;
    d->head.target = d->facts.target;
    d->head.reason = (struct slice){"", 0};
    d->head.kinds = NULL;
    copy_fields(&d->head, head, &d->arena, bytes < DONE_COPY_BYTES ? DONE_COPY_BYTES - bytes : 0);
    d->facts.head = &d->head;
    d->kept_bytes = mem_size(d) + arena_bytes(&d->arena);
    d->plan->plans->dones_bytes += d->kept_bytes;
}

static void on_empty(struct incoming_reader *reader)
{
    done_copy(list_entry(reader, struct done, reader));
}

/* --- the call --- */

static void done_begin(struct done *d)
{
    struct policy *policy = d->plan->policy;

    d->has_begun = true;
    policy_finish(policy, &d->facts, &d->result);
    if (!d->calls_on_done || policy_on_done(policy, &d->call, &d->facts, &d->result) == POLICY_DONE)
        done_over(d);
    else if (d->in != NULL)
        done_copy(d);
}

static void on_begin(struct deferred *deferred)
{
    struct done *d = list_entry(deferred, struct done, begin);

    outbox_send_all_deferred(&d->plan->plans->loop->outbox); /* the answer first */
    done_begin(d);
}

static bool may_call(struct plan *plan)
{
    if (plan->plans->dones_bytes < plan->dones_bytes_max)
        return true;
    if (log_interval_count(&plan->dones_skipped, loop_now_ms(plan->plans->loop), LOG_INTERVAL_MS))
        log_event(LOG_WARN, "on_done_skipped", NULL,
                  "calls of on_done that wait for something hold %zu bytes: no more are begun",
                  plan->plans->dones_bytes);
    return false;
}

void done_call_later(struct plan *plan, struct incoming *in, struct facts_request *facts,
                     const struct facts_result *result, bool calls_on_done)
{
    struct done *d;

    calls_on_done = calls_on_done && may_call(plan);
    if (!calls_on_done && facts->finals == 0)
        return;
    d = mem_alloc(sizeof *d);
    d->plan = plan_use(plan);
    d->calls_on_done = calls_on_done;
    d->has_begun = false;
    d->call = (struct policy_call){.on_done = on_policy_done};
    d->result = *result;
    d->facts = *facts;
    d->facts.arena = &d->arena;
    d->facts.deadline_ms = 0;  /* that was the client's */
    d->facts.explained = NULL; /* and the access line is written */
    facts->vars = 0;           /* the call's now, */
    facts->finals = 0;         /* and so are they */
    d->in = in;
    d->reader.on_empty = on_empty;
    in->reader = &d->reader;
    d->kept_bytes = 0;
    arena_init(&d->arena, d->room, sizeof d->room);
    list_append(&plan->dones, &d->node);
    deferred_init(&d->begin, on_begin);
    loop_defer(plan->plans->loop, &d->begin);
}

void done_finish_all(struct plan *plan)
{
    while (!list_is_empty(&plan->dones)) {
        struct done *d = list_entry(plan->dones.next, struct done, node);

        deferred_cancel(&d->begin);
        if (d->has_begun)
            done_over(d);
        else
            done_begin(d); /* if it awaits, it has begun now */
    }
}
