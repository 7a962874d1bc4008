#include "reload/expiry.h"

#include "base/clock.h"
#include "base/log.h"
#include "config/certificates.h"

enum {
    LOOK_MS = 3600000,
    DAY_S = 86400,
    EVENTS_MAX = 10, /* of a look, as thousands may end on one day */
};

static const int days_before[] = {30, 14, 7, 3, 1, 0};

/* Is it time to log that a certificate expires: before_s were left at the last look, now left_s? */
static bool is_due(int64_t before_s, int64_t left_s)
{
    for (size_t i = 0; i < sizeof days_before / sizeof *days_before; i++)
        if (left_s <= (int64_t)days_before[i] * DAY_S && before_s > (int64_t)days_before[i] * DAY_S)
            return true;
    return false;
}

static void say_expires(const struct certificate *certificate, int64_t left_s)
{
    const char *name = certificate->names.length > 0 ? certificate->names.start : "";
    bool is_over = left_s <= 0;
    const char *days = LOG_NUMBER(is_over ? 0 : (uint64_t)(left_s / DAY_S));

    log_event(is_over ? LOG_ERROR : LOG_WARN, "tls_expires",
              LOG_PAIRS({"certificate", certificate->cert}, {"name", name}, {"#days", days}),
              is_over ? "the certificate %s of %s has expired%s"
                      : "the certificate %s of %s expires in %s days",
              certificate->cert, name[0] != '\0' ? name : "no name", is_over ? "" : days);
}

static void say_readable(const char *what, const char *file)
{
    log_event(LOG_WARN, "tls_key_readable", LOG_PAIRS({"file", file}),
              "others may read the %s %s: chmod 600 %s", what, file, file);
}

/* At the first look each certificate that expires within the longest time is due. */
static void look_at_each(const struct expiry *e, struct slice files, int64_t now_s, bool is_first)
{
    struct certificate certificate;
    struct ticket_file tickets;
    unsigned expiring = 0, readable = 0;

    if (is_first && certificates_find_tickets(files, &tickets) && tickets.others_may_read)
        say_readable("ticket keys", tickets.path);
    while (certificates_next(&files, &certificate)) {
        int64_t end_s = certificate.facts.not_after;
        int64_t before_s = is_first ? INT64_MAX : end_s - e->looked_s;

        if (is_due(before_s, end_s - now_s) && expiring++ < EVENTS_MAX)
            say_expires(&certificate, end_s - now_s);
        if (is_first && certificate.others_may_read && readable++ < EVENTS_MAX)
            say_readable("private key", certificate.key);
    }
    if (expiring > EVENTS_MAX)
        log_event(LOG_WARN, "tls_expires", LOG_PAIRS({"#more", LOG_NUMBER(expiring - EVENTS_MAX)}),
                  "and %u more certificates expire soon: lb check lists them",
                  expiring - EVENTS_MAX);
}

static void say_loaded(struct slice files, int64_t now_s)
{
    struct certificate certificate;
    struct slice name;
    uint64_t count = 0, names = 0, over = 0;
    int64_t first_s = INT64_MAX;
    const char *days;

    while (certificates_next(&files, &certificate)) {
        count++;
        while (certificates_next_name(&certificate.names, &name))
            names++;
        over += certificate.facts.not_after <= now_s;
        if (certificate.facts.not_after < first_s)
            first_s = certificate.facts.not_after;
    }
    if (count == 0)
        return;
    days = LOG_NUMBER(first_s > now_s ? (uint64_t)((first_s - now_s) / DAY_S) : 0);
    log_event(LOG_INFO, "tls_loaded",
              LOG_PAIRS({"#certificates", LOG_NUMBER(count)}, {"#names", LOG_NUMBER(names)},
                        {"#days", days}),
              over > 0 ? "%s certificate%s for %s name%s; %s expired"
                       : "%s certificate%s for %s name%s; the first one to expire has %s days left",
              LOG_NUMBER(count), count == 1 ? "" : "s", LOG_NUMBER(names), names == 1 ? "" : "s",
              over > 0 ? LOG_NUMBER(over) : days);
}

static bool is_new(const struct expiry *e, const struct edition *edition)
{
    return e->edition != atomic_load(&edition->current);
}

void expiry_look(struct expiry *e, const struct edition *edition)
{
    struct slice files = vault_slice(&edition_current(edition)->certificates);
    bool is_first = is_new(e, edition);
    int64_t now_s = clock_wall_s();

    if (!is_first && clock_steady_ms() < e->look_ms)
        return;
    if (is_first && files.length > 0)
        say_loaded(files, now_s);
    look_at_each(e, files, now_s, is_first);
    *e = (struct expiry){.edition = atomic_load(&edition->current),
                         .looked_s = now_s,
                         .look_ms = clock_steady_ms() + LOOK_MS};
}

uint64_t expiry_next_ms(const struct expiry *e, const struct edition *edition)
{
    if (is_new(e, edition))
        return 0;
    return edition_current(edition)->certificates.length > 0 ? e->look_ms : UINT64_MAX;
}
