/*
 * check - promises the program makes to itself, held in every build.
 *
 * A CHECK that fails says where and aborts this process: a worker loses its
 * own connections, and the supervisor starts another.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#define CHECK(promise) ((promise) ? (void)0 : check_failed(#promise, __FILE__, __LINE__))

/* As CHECK, for what every request would pay for: in the sanitized build only. CHECK_STATE(rows,
 * object, from, to) is one for x_enter: the object's state may become that one. The last of these
 * changes in this process, of all objects, are printed with the promise that fails. */
#ifdef CHECK_ALL
#define DCHECK(promise) CHECK(promise)
#define CHECK_STATE(rows, object, from, to)                                                        \
    (check_note_state(#rows, (object), (rows)[from].name, (rows)[to].name),                        \
     CHECK(((rows)[from].next & 1u << (to)) != 0))
#else
#define DCHECK(promise)                     ((void)(0 && (promise)))
#define CHECK_STATE(rows, object, from, to) ((void)(0 && (rows)[from].next & 1u << (to)))
#endif

#define MUST_USE     __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))

struct state_row { /* a row of the table of a kind of objects, by their enum */
    const char *name;
    unsigned next; /* a bit for each state that may follow */
};

_Noreturn void check_failed(const char *promise, const char *file, int line);
void check_note_state(const char *kind, const void *object, const char *from, const char *to);

/* Last words are an event of this process from now on, as in a JSON log; NULL: they are a line of
 * text, as before the first call. Borrows the name for ever. */
void check_speak_json(const char *process);

/* One line to standard error, of a process that is about to end: at once or, if nobody has read
 * what is there, not at all. It allocates nothing and takes no lock, so it may be called in any
 * state. event is its name in a JSON log. */
void check_last_words(const char *event, const char *format, ...) PRINTF(2, 3);

#endif
