#include "base/check.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WORDS_BYTES_MAX = 512 };

void check_last_words(const char *format, ...)
{
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    char words[WORDS_BYTES_MAX];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(words, sizeof words - 1, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    if (length > WORDS_BYTES_MAX - 2)
        length = WORDS_BYTES_MAX - 2;
    words[length] = '\n';
    if (poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0 ||
        write(STDERR_FILENO, words, (size_t)length + 1) < 0)
        return; /* there is nobody left to tell */
}

void check_failed(const char *promise, const char *file, int line)
{
    check_last_words("lb: broken promise at %s:%d: %s", file, line, promise);
    abort();
}
