#include "proxy/retry.h"

bool retry_is_safe(const struct retry_facts *facts)
{
    return facts->body_whole &&
           (!facts->was_sent || facts->idempotent || facts->has_key || facts->allowed);
}
