#include "shared/outcome.h"

const char *attempt_outcome_name(enum attempt_outcome outcome)
{
    static const char *const names[] = {
        [ATTEMPT_NONE] = "none",
        [ATTEMPT_OK] = "ok",
        [ATTEMPT_REFUSED] = "refused",
        [ATTEMPT_UNREACHABLE] = "unreachable",
        [ATTEMPT_CONNECT_TIMEOUT] = "connect_timeout",
        [ATTEMPT_UNRESOLVED] = "unresolved",
        [ATTEMPT_TLS] = "tls",
        [ATTEMPT_RESET] = "reset",
        [ATTEMPT_TIMEOUT] = "timeout",
        [ATTEMPT_PROTOCOL] = "protocol",
        [ATTEMPT_CANCELLED] = "cancelled",
        [ATTEMPT_STALE] = "stale",
        [ATTEMPT_UNPROCESSED] = "unprocessed",
        [ATTEMPT_DISCARDED] = "discarded",
        [ATTEMPT_LOCAL] = "local",
    };

    return names[outcome];
}
