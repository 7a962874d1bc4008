#include "os/beside.h"

#include "net/address.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEY_BYTES = 48, INODES_MAX = 1024, LISTENS = 0x0A };

/* The listening sockets of this user at an address, or at its port. */
struct found {
    unsigned long inodes[INODES_MAX];
    unsigned count;
};

/* As /proc/net/tcp and tcp6 have it. From its colon on it is any address with this port. */
static void write_key(char key[KEY_BYTES], const struct sockaddr *at)
{
    uint32_t words[4] = {0};
    unsigned count = at->sa_family == AF_INET6 ? 4 : 1, length = 0;

    if (count == 4)
        memcpy(words, &((const struct sockaddr_in6 *)(const void *)at)->sin6_addr, sizeof words);
    else
        memcpy(words, &((const struct sockaddr_in *)(const void *)at)->sin_addr, sizeof *words);
    for (unsigned i = 0; i < count; i++)
        length += (unsigned)snprintf(key + length, KEY_BYTES - length, "%08X", words[i]);
    snprintf(key + length, KEY_BYTES - length, ":%04X", address_port(at));
}

/* The sockets that listen are its first lines. */
static void find_in(const char *path, const char *key, struct found *found)
{
    FILE *file = fopen(path, "re");
    char line[512], local[KEY_BYTES];
    unsigned state, user;
    unsigned long inode;

    if (file == NULL)
        return;
    (void)!fgets(line, sizeof line, file); /* the names of the columns */
    while (found->count < INODES_MAX && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, " %*u: %47s %*s %x %*s %*s %*s %u %*u %lu", local, &state, &user,
                   &inode) != 4 ||
            state != LISTENS)
            break;
        if (user == geteuid() && strcmp(key[0] == ':' ? strchr(local, ':') : local, key) == 0)
            found->inodes[found->count++] = inode;
    }
    fclose(file);
}

unsigned beside_count(const struct sockaddr *at)
{
    struct found found = {.count = 0};
    char key[KEY_BYTES];

    write_key(key, at);
    find_in(at->sa_family == AF_INET6 ? "/proc/net/tcp6" : "/proc/net/tcp", key, &found);
    return found.count;
}

static bool has_one_of(const char *process, const struct found *found)
{
    char path[64], target[64];
    struct dirent *entry;
    bool has = false;
    DIR *folder;

    snprintf(path, sizeof path, "/proc/%.16s/fd", process);
    folder = opendir(path);
    while (folder != NULL && !has && (entry = readdir(folder)) != NULL) {
        ssize_t length = readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1);
        unsigned long inode;

        target[length > 0 ? length : 0] = '\0';
        if (sscanf(target, "socket:[%lu]", &inode) == 1)
            for (unsigned i = 0; i < found->count && !has; i++)
                has = found->inodes[i] == inode;
    }
    if (folder != NULL)
        closedir(folder);
    return has;
}

/* The workers of an lb are called so whatever the name of its file is (os/children.c). Before it
 * has workers that name tells. */
static pid_t started_as(const char *process)
{
    char path[64], line[256];
    int started = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%.16s/status", process);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fgets(line, sizeof line, file) == NULL)
        line[0] = '\0';
    if (strcmp(line, "Name:\tlb\n") == 0)
        started = atoi(process);
    else if (strncmp(line, "Name:\tlb worker ", 16) == 0)
        while (started == 0 && fgets(line, sizeof line, file) != NULL)
            (void)!sscanf(line, "PPid: %d", &started);
    fclose(file);
    return started;
}

pid_t beside_find(const struct sockaddr *at)
{
    struct found found = {.count = 0};
    char key[KEY_BYTES];
    struct dirent *entry;
    pid_t pid = 0;
    DIR *processes;

    write_key(key, at);
    find_in("/proc/net/tcp", strchr(key, ':'), &found);
    find_in("/proc/net/tcp6", strchr(key, ':'), &found);
    processes = found.count > 0 ? opendir("/proc") : NULL;
    while (processes != NULL && pid == 0 && (entry = readdir(processes)) != NULL)
        if (isdigit((unsigned char)entry->d_name[0]) && has_one_of(entry->d_name, &found))
            pid = started_as(entry->d_name);
    if (processes != NULL)
        closedir(processes);
    return pid;
}
