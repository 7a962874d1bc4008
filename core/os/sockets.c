#include "os/sockets.h"

#include "base/mem.h"
#include "os/beside.h"
#include "os/inherited.h"
#include "shared/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <unistd.h>

enum {
    BACKLOG = 4096, /* the kernel cuts it to net.core.somaxconn */
    PRIVILEGED = 1024,
};

static const uint32_t RANDOM = (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM);

static int *socket_at(const struct sockets *s, unsigned slot, unsigned address)
{
    return &s->fds[slot * s->addresses + address];
}

static const char ports_of_root[] =
    ". A port below 1024 is root's: take another one; or setcap cap_net_bind_service=ep on the "
    "file of lb (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE); or sysctl "
    "net.ipv4.ip_unprivileged_port_start=0. In a container: listen above, and publish that port "
    "(-p 80:3030)";

static int refuse_address(const struct sockets *s, unsigned address, struct buffer *error)
{
    const char *why = strerror(errno);
    bool is_privileged = errno == EACCES && s->config->listen[address].address.port < PRIVILEGED;

    buffer_printf(error, "cannot listen on %s: %c%s", s->config->listen[address].text,
                  ascii_lower(why[0]), why + 1);
    if (is_privileged)
        buffer_append_text(error, ports_of_root);
    return -1;
}

/* [::] takes IPv4 connections as well, unless another listener has those. */
static bool is_v6_only(const struct config *config, const struct sockaddr *to)
{
    for (unsigned i = 0; i < config->listen_count; i++)
        if (config->listen[i].address.socket.any.sa_family == AF_INET &&
            address_port(&config->listen[i].address.socket.any) == address_port(to))
            return true;
    return false;
}

static int open_bound(const struct config *config, const struct sockaddr *to, bool is_shared)
{
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1, only = is_v6_only(config, to), error;

    if (fd < 0)
        return -1;
    /* Accepted sockets inherit TCP_NODELAY, which saves a system call for each. */
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        (!is_shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
        (to->sa_family != AF_INET6 ||
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) == 0) &&
        bind(fd, to, address_length(to)) == 0)
        return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* First without SO_REUSEPORT, so that any other socket that listens there is in the way. A socket
 * of ours that is bound and does not listen yet is not. */
static bool is_taken(struct sockets *s, const struct sockaddr *to)
{
    int fd = open_bound(s->config, to, false);

    if (fd >= 0) {
        close(fd);
        return false;
    }
    if (errno != EADDRINUSE)
        return true;
    s->beside = beside_find(to);
    errno = EADDRINUSE;
    return s->beside == 0;
}

/* The first socket of an address. A kernel without IPv6 may refuse [::], which means every address:
 * IPv4 is all that there is, then. */
static int open_first(struct sockets *s, struct address *to, struct buffer *notice)
{
    bool is_taken_already = to->port != 0 && is_taken(s, &to->socket.any);
    int fd = is_taken_already ? -1 : open_bound(s->config, &to->socket.any, true);
    bool is_any =
        to->socket.any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&to->socket.v6.sin6_addr);

    if (fd >= 0 || !is_any || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL))
        return fd;
    to->socket.v4 =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_port = to->socket.v6.sin6_port};
    buffer_printf(notice, "IPv6 is not available here: listening on 0.0.0.0:%u in its place",
                  (unsigned)to->port);
    return open_first(s, to, notice);
}

/* Sockets of another user can share no port. So all slots have the one that systemd has opened, and
 * each worker that waits there is woken for each connection. */
static int share_inherited(struct sockets *s, unsigned address, int fd)
{
    for (unsigned slot = 0; slot < s->slots; slot++) {
        *socket_at(s, slot, address) = slot == 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (*socket_at(s, slot, address) < 0)
            return -1;
    }
    return 0;
}

static bool is_inherited(const struct sockets *s, unsigned address)
{
    int shares_port = 0;
    socklen_t size = sizeof shares_port;

    return getsockopt(*socket_at(s, 0, address), SOL_SOCKET, SO_REUSEPORT, &shares_port, &size) ==
               0 &&
           shares_port == 0;
}

static int bind_address(struct sockets *s, unsigned address, struct inherited *inherited,
                        struct buffer *notice)
{
    struct address to = s->config->listen[address].address;
    int given = inherited_take(inherited, &to.socket.any);

    if (given >= 0)
        return share_inherited(s, address, given);
    for (unsigned slot = 0; slot < s->slots; slot++) {
        int fd =
            slot == 0 ? open_first(s, &to, notice) : open_bound(s->config, &to.socket.any, true);

        if (fd < 0)
            return -1;
        *socket_at(s, slot, address) = fd;
        if (slot == 0) /* the port that 0 has become is the one for all */
            address_set_port(&to.socket.any, sockets_port(s, address));
    }
    return 0;
}

static void sockets_init(struct sockets *s, const struct config *config)
{
    *s = (struct sockets){
        .config = config, .slots = config->workers, .addresses = config->listen_count};
    s->fds = mem_alloc(s->slots * s->addresses * sizeof *s->fds);
    for (unsigned i = 0; i < s->slots * s->addresses; i++)
        s->fds[i] = -1;
}

void sockets_take(struct sockets *s, const struct config *config, const int *fds)
{
    sockets_init(s, config);
    memcpy(s->fds, fds, s->slots * s->addresses * sizeof *s->fds);
}

int sockets_bind(struct sockets *s, const struct config *config, struct buffer *error,
                 struct buffer *notice)
{
    struct inherited inherited;

    sockets_init(s, config);
    inherited_open(&inherited);
    for (unsigned address = 0; address < s->addresses; address++)
        if (bind_address(s, address, &inherited, notice) != 0) {
            (void)refuse_address(s, address, error);
            sockets_close(s);
            return -1;
        }
    if (!inherited_are_left(&inherited, error))
        return 0;
    sockets_close(s);
    return -1;
}

static void bound_name(const struct sockets *s, unsigned address, struct sockaddr_in6 *out)
{
    socklen_t length = sizeof *out;

    CHECK(getsockname(*socket_at(s, 0, address), (struct sockaddr *)out, &length) == 0);
}

/* In the order of the slots: the kernel knows them in the order in which they began to listen
 * (sockets_spread). */
int sockets_listen(struct sockets *s, struct buffer *error)
{
    for (unsigned address = 0; address < s->addresses; address++)
        for (unsigned slot = 0; slot < s->slots; slot++)
            if (listen(*socket_at(s, slot, address), BACKLOG) != 0)
                return refuse_address(s, address, error);
    return 0;
}

/* A classic BPF program, which the kernel runs for each new connection: a random number, below the
 * number of slots that get connections, and the slot for it. UINT32_MAX is no slot: the kernel goes
 * by its hash then. */
static unsigned write_program(const struct sockets *s, const bool *has, struct sock_filter *steps)
{
    const struct sock_filter nobody = BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
    unsigned slots = 0, count = 2;

    for (unsigned slot = 0; slot < s->slots; slot++) {
        if (!has[slot])
            continue;
        steps[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, slots++, 0, 1);
        steps[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, slot);
    }
    if (slots == 0 || slots == s->slots)
        count = 0;
    steps[count++] = nobody;
    if (count > 1) {
        steps[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, RANDOM);
        steps[1] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, slots);
    }
    return count;
}

static int attach(const struct sockets *s, unsigned address, struct sock_filter *steps,
                  unsigned count)
{
    struct sock_fprog program = {.filter = steps, .len = (unsigned short)count};

    return setsockopt(*socket_at(s, 0, address), SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program,
                      sizeof program) == 0
               ? 0
               : -errno;
}

int sockets_spread(const struct sockets *s, const bool *has)
{
    struct sock_filter steps[2 * SEGMENT_WORKERS_MAX + 3];
    unsigned count = write_program(s, has, steps);
    int code = 0;

    for (unsigned address = 0; code == 0 && address < s->addresses; address++)
        if (!is_inherited(s, address))
            code = attach(s, address, steps, count);
    return code;
}

/* The sockets of the other lb are behind ours, in the order in which they began to listen. */
void sockets_leave(const struct sockets *s)
{
    for (unsigned address = 0; s->beside == 0 && address < s->addresses; address++) {
        struct sockaddr_in6 name;
        unsigned count;

        bound_name(s, address, &name);
        count = is_inherited(s, address) ? 0 : beside_count((struct sockaddr *)&name);
        if (count > s->slots)
            (void)attach(s, address,
                         (struct sock_filter[]){
                             BPF_STMT(BPF_LD | BPF_W | BPF_ABS, RANDOM),
                             BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, count - s->slots),
                             BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, s->slots),
                             BPF_STMT(BPF_RET | BPF_A, 0),
                         },
                         4);
    }
}

const int *sockets_of_slot(const struct sockets *s, unsigned slot)
{
    return socket_at(s, slot, 0);
}

void sockets_format(const struct sockets *s, unsigned address, struct buffer *out)
{
    struct sockaddr_in6 name;

    bound_name(s, address, &name);
    address_format(out, (struct sockaddr *)&name);
}

uint16_t sockets_port(const struct sockets *s, unsigned address)
{
    struct sockaddr_in6 name;

    bound_name(s, address, &name);
    return address_port((struct sockaddr *)&name);
}

void sockets_keep_slot(struct sockets *s, unsigned slot)
{
    for (unsigned i = 0; i < s->slots * s->addresses; i++) {
        if (s->fds[i] >= 0 && i / s->addresses != slot) {
            close(s->fds[i]);
            s->fds[i] = -1;
        }
    }
}

void sockets_close(struct sockets *s)
{
    sockets_keep_slot(s, s->slots);
    mem_free(s->fds);
    *s = (struct sockets){0};
}
