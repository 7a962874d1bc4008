#include "http/refusal.h"

#include <stdio.h>

enum { NAME_SHOWN_MAX = 60 };

/* RFC 9113, 3.4: the preface of HTTP/2. The PROXY protocol, 2.1: its version 1; the second is known
 * by its first bytes, to syntax. */
enum syntax_fault refusal_fault(enum syntax_fault fault, struct slice head)
{
    if (slice_begins(head, SLICE("PRI * HTTP/2.0")))
        return SYNTAX_HTTP2;
    if (slice_begins(head, SLICE("PROXY TCP4")) || slice_begins(head, SLICE("PROXY TCP6")) ||
        slice_begins(head, SLICE("PROXY UNKNOWN")))
        return SYNTAX_PROXY;
    return fault;
}

const char *refusal_name_field(struct arena *arena, const struct syntax *syntax, struct slice head,
                               char wrong)
{
    const char *line = memrchr(head.start, '\n', head.length);
    const char *start = line != NULL ? line + 1 : head.start;
    size_t length = (size_t)(head.start + head.length - start);
    const char *colon = memchr(start, ':', length);
    const char *why = syntax_fault_text((enum syntax_fault)syntax->fault);
    size_t room = strlen(why) + NAME_SHOWN_MAX + sizeof ": \\x00";
    char *text = arena_alloc(arena, room), shown[sizeof "\\x00"] = "";

    if (colon != NULL)
        length = (size_t)(colon - start);
    if (syntax->fault == SYNTAX_NAME)
        snprintf(shown, sizeof shown, wrong > ' ' && wrong < 0x7f ? "%c" : "\\x%02x",
                 (unsigned char)wrong);
    snprintf(text, room, "%s: %.*s%s", why, length < NAME_SHOWN_MAX ? (int)length : NAME_SHOWN_MAX,
             start, shown);
    return text;
}
