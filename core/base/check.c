#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *promise, const char *file, int line)
{
    fprintf(stderr, "lb: broken promise at %s:%d: %s\n", file, line, promise);
    abort();
}
