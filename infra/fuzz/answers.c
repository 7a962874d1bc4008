/*
 * answers - answers of DNS servers (core/dial/dns_answer.h): whatever they say, what is read of
 * them is within bounds, and no byte behind them is read.
 *
 * An input: a byte for the type that was asked for, then the message, an answer about app.test.
 * libresolv has no instruments, so the message ends where a page ends that nobody may read.
 */
#include "base/check.h"
#include "dial/dns_answer.h"

#include <string.h>
#include <sys/mman.h>

enum { ROOM = 65536, PAGE = 4096 };

static const enum dns_type types[] = {DNS_A, DNS_AAAA, DNS_SRV, DNS_TXT};

static uint8_t *room_end(void)
{
    static uint8_t *room;

    if (room == NULL) {
        room = mmap(NULL, ROOM + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(room != MAP_FAILED);
        CHECK(mprotect(room + ROOM, PAGE, PROT_NONE) == 0);
    }
    return room + ROOM;
}

static void check_record(const struct dns_answer *a, const struct dns_record *r, bool is_extra)
{
    size_t length = buffer_length(&a->texts);

    CHECK(r->ttl_s <= INT32_MAX);
    CHECK(is_extra || a->ttl_s <= r->ttl_s);
    if (is_extra)
        CHECK(r->owner < length && strlen(dns_answer_owner(a, r)) < length - r->owner);
    if (r->type == DNS_SRV || r->type == DNS_TXT)
        CHECK(r->data.text.at + r->data.text.length < length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_answer answer;
    uint8_t *message;

    if (size < 1 || size > ROOM)
        return 0;
    message = room_end() - (size - 1);
    memcpy(message, data + 1, size - 1);
    dns_answer_read(&answer, message, size - 1, "app.test", types[data[0] % 4]);
    CHECK(answer.count + answer.extras <= DNS_RECORDS_MAX);
    CHECK((answer.outcome == DNS_FOUND) == (answer.count > 0));
    for (unsigned i = 0; i < answer.count + answer.extras; i++)
        check_record(&answer, &answer.records[i], i >= answer.count);
    dns_answer_dispose(&answer);
    return 0;
}
