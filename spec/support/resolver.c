/*
 * resolver - names that a spec makes up, for a program that is started with
 * LD_PRELOAD. The file that RESOLVER names is read at every lookup; a line is a
 * name and its answer:
 *
 *   web 127.0.0.1 ::1     these addresses, in this order
 *   web unknown           there is no such name;  failing: not for now;  hanging: no answer at all
 *   - 127.0.0.2           no name: connecting to that address fails for want of one of ours
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES = 512 };

struct answer { /* one block, so that freeing it is one call */
    struct addrinfo info;
    struct sockaddr_in6 socket;
};

/* The words behind the name: as text, in the line, from *words on. */
static bool find_line(const char *name, char *line, char **words)
{
    FILE *file = fopen(getenv("RESOLVER"), "re");
    bool found = false;

    while (file != NULL && !found && fgets(line, LINE_BYTES, file) != NULL) {
        char *first = strtok_r(line, " \n", words);

        found = first != NULL && strcmp(first, name) == 0;
    }
    if (file != NULL)
        fclose(file);
    return found;
}

static struct addrinfo *new_answer(const char *text)
{
    struct answer *a = calloc(1, sizeof *a);
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&a->socket;

    a->info.ai_socktype = SOCK_STREAM;
    a->info.ai_addr = (struct sockaddr *)&a->socket;
    if (inet_pton(AF_INET6, text, &a->socket.sin6_addr) == 1) {
        a->info.ai_family = a->socket.sin6_family = AF_INET6;
        a->info.ai_addrlen = sizeof a->socket;
    } else if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        a->info.ai_family = v4->sin_family = AF_INET;
        a->info.ai_addrlen = sizeof *v4;
    } else {
        abort();
    }
    return &a->info;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *wanted,
                struct addrinfo **out)
{
    struct addrinfo **at = out;
    char line[LINE_BYTES], *words;

    (void)service, (void)wanted;
    *out = NULL;
    if (!find_line(name, line, &words))
        return EAI_NONAME;
    for (char *word; (word = strtok_r(NULL, " \n", &words)) != NULL; at = &(*at)->ai_next) {
        if (strcmp(word, "unknown") == 0)
            return EAI_NONAME;
        if (strcmp(word, "failing") == 0)
            return EAI_AGAIN;
        while (strcmp(word, "hanging") == 0)
            pause();
        *at = new_answer(word);
    }
    return *out != NULL ? 0 : EAI_NODATA;
}

void freeaddrinfo(struct addrinfo *first)
{
    while (first != NULL) {
        struct addrinfo *next = first->ai_next;

        free(first);
        first = next;
    }
}

int connect(int fd, const struct sockaddr *to, socklen_t length)
{
    int (*real)(int, const struct sockaddr *, socklen_t) =
        (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "connect");
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)to;
    char line[LINE_BYTES], *words, *text;
    struct in_addr unusable;

    if (to->sa_family == AF_INET && find_line("-", line, &words) &&
        (text = strtok_r(NULL, " \n", &words)) != NULL &&
        inet_pton(AF_INET, text, &unusable) == 1 && unusable.s_addr == v4->sin_addr.s_addr) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    return real(fd, to, length);
}
