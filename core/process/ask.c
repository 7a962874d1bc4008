#include "process/ask.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/address.h"
#include "process/explained.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    ANSWER_S = 330, /* and as long as it was asked to wait */
    WAIT_S_MAX = 3600,
    READY_S = 2,
    ANSWER_BYTES_MAX = 64 << 20,
    READ_BYTES = 65536,
    ARGUMENT_BYTES_MAX = 4096,
    TOP_EVERY_S = 1
};

/* --- the request --- */

struct asking {
    const struct options *options;
    struct buffer target, body;
    const char *method;
};

static const char *argument(const struct asking *a, unsigned i)
{
    return a->options->ask_words[i];
}

static void append_escaped_slice(struct buffer *out, struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if (ascii_is_unreserved(text.start[i]))
            buffer_append_byte(out, text.start[i]);
        else
            buffer_printf(out, "%%%02X", (unsigned char)text.start[i]);
}

static void append_escaped(struct buffer *out, const char *text)
{
    append_escaped_slice(out, slice_of(text));
}

static void append_json_text(struct buffer *out, const char *text)
{
    buffer_append_byte(out, '"');
    log_append_escaped(out, slice_of(text), ARGUMENT_BYTES_MAX, LOG_JSON);
    buffer_append_byte(out, '"');
}

/* What is a number, true or false is that; all else is a text. */
static void append_json(struct buffer *out, const char *value)
{
    char *end;

    if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0 ||
        ((ascii_is_digit(value[0]) || value[0] == '-') && strtod(value, &end) < 1e300 &&
         *end == '\0' && strpbrk(value, "xX") == NULL))
        buffer_append_text(out, value);
    else
        append_json_text(out, value);
}

/* The target /backends/NAME/verb, and a body with one member and why. */
static void change_backend(struct asking *a, const char *verb, const char *member)
{
    const char *why = a->options->why;

    a->method = "POST";
    buffer_append_text(&a->target, "/backends/");
    append_escaped(&a->target, argument(a, 0));
    buffer_printf(&a->target, "/%s", verb);
    buffer_append_byte(&a->body, '{');
    if (member != NULL) {
        buffer_printf(&a->body, "\"%s\":", member);
        if (strcmp(argument(a, 1), "script") == 0)
            buffer_append_text(&a->body, "null");
        else
            append_json(&a->body, argument(a, 1));
    }
    if (why != NULL) {
        buffer_append_text(&a->body, member != NULL ? ",\"why\":" : "\"why\":");
        append_json_text(&a->body, why);
    }
    buffer_append_byte(&a->body, '}');
}

static void ask_status(struct asking *a)
{
    buffer_append_text(&a->target, "/status");
}

static void ask_backends(struct asking *a)
{
    buffer_append_text(&a->target, "/status?part=backends");
}

static void ask_ready(struct asking *a)
{
    buffer_append_text(&a->target, "/ready");
}

static void ask_drain(struct asking *a)
{
    change_backend(a, "drain", NULL);
    if (a->options->wait != NULL) {
        buffer_append_text(&a->target, "?wait_s=");
        append_escaped(&a->target, a->options->wait);
    }
}

static void ask_undrain(struct asking *a)
{
    change_backend(a, "undrain", NULL);
}

static void ask_weight(struct asking *a)
{
    change_backend(a, "weight", "weight");
}

static void ask_eject(struct asking *a)
{
    change_backend(a, "eject", "seconds");
}

static void ask_readmit(struct asking *a)
{
    change_backend(a, "readmit", NULL);
}

static void ask_get(struct asking *a)
{
    buffer_append_text(&a->target, "/values/");
    append_escaped(&a->target, argument(a, 0));
}

static void ask_set(struct asking *a)
{
    const char *ttl = argument(a, 2);

    ask_get(a);
    a->method = "PUT";
    buffer_append_text(&a->body, "{\"value\":");
    append_json(&a->body, argument(a, 1));
    if (ttl != NULL) {
        buffer_append_text(&a->body, ",\"ttl_s\":");
        append_json(&a->body, ttl);
    }
    buffer_append_byte(&a->body, '}');
}

static void ask_log(struct asking *a)
{
    a->method = "POST";
    buffer_append_text(&a->target, "/log");
    buffer_append_text(&a->body, "{\"level\":");
    append_json_text(&a->body, argument(a, 0));
    buffer_append_text(&a->body, ",\"seconds\":");
    append_json(&a->body, argument(a, 1));
    buffer_append_byte(&a->body, '}');
}

static void ask_reload(struct asking *a)
{
    a->method = "POST";
    buffer_append_text(&a->target, "/reload");
}

static void ask_upgrade(struct asking *a)
{
    a->method = "POST";
    buffer_append_text(&a->target, "/upgrade");
}

static void ask_stop(struct asking *a)
{
    a->method = "POST";
    buffer_append_text(&a->target, "/drain");
}

/* Words such as status=5xx become the query: the listener knows which there are. */
static void ask_decisions(struct asking *a)
{
    buffer_append_text(&a->target, "/decisions");
    for (unsigned i = 0; i < OPTIONS_ASK_WORDS && argument(a, i) != NULL; i++) {
        struct slice value = slice_of(argument(a, i));
        struct slice name = slice_take_until(&value, '=');

        buffer_append_byte(&a->target, i == 0 ? '?' : '&');
        append_escaped_slice(&a->target, name);
        buffer_append_byte(&a->target, '=');
        append_escaped_slice(&a->target, value);
    }
}

static void ask_explain(struct asking *a)
{
    buffer_append_text(&a->target, "/decisions/");
    append_escaped(&a->target, argument(a, 0));
}

static void (*const askers[])(struct asking *) = {
    [ASK_STATUS] = ask_status,   [ASK_BACKENDS] = ask_backends,
    [ASK_READY] = ask_ready,     [ASK_DRAIN] = ask_drain,
    [ASK_UNDRAIN] = ask_undrain, [ASK_WEIGHT] = ask_weight,
    [ASK_EJECT] = ask_eject,     [ASK_READMIT] = ask_readmit,
    [ASK_GET] = ask_get,         [ASK_SET] = ask_set,
    [ASK_LOG] = ask_log,         [ASK_RELOAD] = ask_reload,
    [ASK_UPGRADE] = ask_upgrade, [ASK_STOP] = ask_stop,
    [ASK_TOP] = ask_status,      [ASK_DECISIONS] = ask_decisions,
    [ASK_EXPLAIN] = ask_explain,
};

/* --- the connection --- */

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "lb: %s: %s\n", what, why);
    return 1;
}

/* -1 and errno. */
static int connect_to(const struct sockaddr *to, socklen_t length)
{
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), error;

    if (fd < 0 || connect(fd, to, length) == 0)
        return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int fail_connect(const char *text)
{
    return -fail(text, errno == ENOENT || errno == ECONNREFUSED
                           ? "no lb listens there: is admin set, and --admin its address?"
                           : strerror(errno));
}

/* The first of its addresses that takes the connection. */
static int open_name(const char *text, const struct address *name)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    char port[8];
    int fd = -1, status;

    snprintf(port, sizeof port, "%u", name->port);
    status = getaddrinfo(name->host, port, &hints, &list);
    if (status != 0)
        return -fail(text, gai_strerror(status));
    for (const struct addrinfo *one = list; one != NULL && fd < 0; one = one->ai_next)
        fd = connect_to(one->ai_addr, one->ai_addrlen);
    if (fd < 0)
        fd = fail_connect(text);
    freeaddrinfo(list);
    return fd;
}

static int open_to(const char *text)
{
    struct address address;
    const char *wrong = address_parse(&address, slice_of(text), false);
    const struct sockaddr *to = &address.socket.any;
    int fd;

    if (wrong != NULL)
        return -fail(text, wrong);
    if (address.kind == ADDRESS_NAME)
        return open_name(text, &address);
    fd = connect_to(to,
                    address.kind == ADDRESS_UNIX ? sizeof address.socket.path : address_length(to));
    return fd >= 0 ? fd : fail_connect(text);
}

static bool send_all(int fd, struct slice bytes)
{
    while (bytes.length > 0) {
        ssize_t sent = send(fd, bytes.start, bytes.length, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        bytes = slice_from(bytes, (size_t)sent);
    }
    return true;
}

/* Up to its end: the request is one of HTTP/1.0. */
static bool read_all(int fd, uint64_t within_s, struct buffer *out)
{
    uint64_t until_ms = clock_steady_ms() + within_s * 1000;

    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        uint64_t now_ms = clock_steady_ms();
        ssize_t length;

        if (now_ms >= until_ms || poll(&ready, 1, (int)(until_ms - now_ms)) == 0 ||
            buffer_length(out) > ANSWER_BYTES_MAX)
            return false;
        length = recv(fd, buffer_reserve(out, READ_BYTES), READ_BYTES, 0);
        if (length > 0)
            buffer_grow(out, (size_t)length);
        else if (length == 0)
            return true;
        else if (errno != EINTR)
            return false;
    }
}

/* --- the answer --- */

/* Takes its head from the front. False: it is none of what was asked for. */
static bool take_head(struct slice *answer)
{
    struct slice head = slice_take_until(answer, '\n');
    bool is_good = head.length > 12 && slice_begins(head, SLICE("HTTP/1.1 2"));

    while (answer->length > 0 && slice_take_until(answer, '\n').length > 1)
        ;
    return is_good;
}

/* What is no good answer stays as it is. */
static int print_as(struct slice answer, void (*put)(struct buffer *, struct slice))
{
    bool needs_token = slice_begins(answer, SLICE("HTTP/1.1 401"));
    bool is_good = take_head(&answer);
    FILE *to = is_good ? stdout : stderr;
    struct buffer shown = {0};

    if (is_good)
        put(&shown, answer);
    else
        buffer_append(&shown, answer);
    fwrite(buffer_slice(&shown).start, 1, buffer_length(&shown), to);
    buffer_dispose(&shown);
    if (needs_token)
        fputs("lb: the token is that of the environment's LB_ADMIN_TOKEN\n", stderr);
    return fflush(to) == 0 && is_good ? 0 : 1;
}

static int print_answer(struct slice answer)
{
    return print_as(answer, buffer_append);
}

/* 202: it waited, and requests are in flight there still. */
static int print_drained(struct slice answer)
{
    bool is_early = slice_begins(answer, SLICE("HTTP/1.1 202"));
    int status = print_answer(answer);

    if (is_early)
        fputs("lb: the wait is over, and requests are still in flight there\n", stderr);
    return is_early ? 1 : status;
}

static int print_explained(struct slice answer)
{
    return print_as(answer, explained_put);
}

static int print_decisions(struct slice answer)
{
    return print_as(answer, explained_list);
}

/* What fits on the terminal, over what was there before. */
static int draw_answer(struct slice answer)
{
    struct winsize size = {0};
    struct buffer out = {0};
    size_t rows =
        ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
    size_t columns = size.ws_col > 0 ? size.ws_col : 80;

    if (!take_head(&answer)) {
        fprintf(stderr, "%.*s", (int)answer.length, answer.start);
        return 1;
    }
    buffer_append_text(&out, "\033[H");
    while (--rows > 0 && answer.length > 0) {
        struct slice line = slice_take_until(&answer, '\n');

        line.length = line.length < columns ? line.length : columns;
        buffer_append(&out, line);
        buffer_append_text(&out, "\033[K\r\n");
    }
    buffer_append_text(&out, "\033[J");
    fwrite(buffer_slice(&out).start, 1, buffer_length(&out), stdout);
    buffer_dispose(&out);
    return fflush(stdout) == 0 ? 0 : 1;
}

static void write_request(struct asking *a, struct buffer *out)
{
    const char *token = getenv("LB_ADMIN_TOKEN");

    buffer_printf(out, "%s %s HTTP/1.0\r\nHost: lb\r\n", a->method, buffer_text(&a->target));
    if (token != NULL && token[0] != '\0' && strpbrk(token, "\r\n") == NULL)
        buffer_printf(out, "Authorization: Bearer %s\r\n", token);
    if (strcmp(a->method, "GET") != 0)
        buffer_printf(out, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                      buffer_length(&a->body));
    buffer_append_text(out, "\r\n");
    buffer_append(out, buffer_slice(&a->body));
}

static uint64_t answer_within_s(const struct options *options)
{
    double wait_s = options->wait != NULL ? strtod(options->wait, NULL) : 0;

    if (options->ask == ASK_READY)
        return READY_S;
    return ANSWER_S + (wait_s > 0 && wait_s <= WAIT_S_MAX ? (uint64_t)wait_s : 0);
}

static int ask_once(const struct options *options, int (*show)(struct slice answer))
{
    struct asking a = {.options = options, .method = "GET"};
    struct buffer request = {0}, answer = {0};
    const char *address = options->admin != NULL ? options->admin : "unix:/run/lb/admin.sock";
    int fd = open_to(address), status = 1;

    if (fd < 0)
        return 1;
    askers[options->ask](&a);
    write_request(&a, &request);
    if (send_all(fd, buffer_slice(&request)) && read_all(fd, answer_within_s(options), &answer) &&
        buffer_length(&answer) > 0) {
        (void)buffer_text(&answer); /* numbers in it end */
        status = show(buffer_slice(&answer));
    } else {
        (void)fail(address, "no answer");
    }
    close(fd);
    buffer_dispose(&a.target);
    buffer_dispose(&a.body);
    buffer_dispose(&request);
    buffer_dispose(&answer);
    return status;
}

int ask_run(const struct options *options)
{
    if (options->ask == ASK_EXPLAIN && options->log != NULL)
        return explained_in_log(options->log, options->ask_words[0]);
    if (options->ask == ASK_EXPLAIN || options->ask == ASK_DECISIONS)
        return ask_once(options, options->ask == ASK_EXPLAIN ? print_explained : print_decisions);
    if (options->ask == ASK_DRAIN)
        return ask_once(options, print_drained);
    if (options->ask != ASK_TOP || !isatty(STDOUT_FILENO))
        return ask_once(options, print_answer);
    while (ask_once(options, draw_answer) == 0)
        sleep(TOP_EVERY_S);
    return 1;
}
