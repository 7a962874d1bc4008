#include "base/date.h"

#include "base/clock.h"

#include <stdio.h>
#include <time.h>

/* Written anew once a second. */
struct slice date_now(void)
{
    static char text[32];
    static time_t written;
    static size_t length;
    time_t now = clock_wall_s();
    struct tm parts;

    if (now != written && gmtime_r(&now, &parts) != NULL) {
        static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        char format[48];

        /* strftime's names of days and months would follow the locale. */
        snprintf(format, sizeof format, "%s, %%d %s %%Y %%H:%%M:%%S GMT", days[parts.tm_wday],
                 months[parts.tm_mon]);
        length = strftime(text, sizeof text, format, &parts);
        written = now;
    }
    return (struct slice){text, length};
}

/* Days to a date as in Howard Hinnant's "chrono-compatible low-level date algorithms", with years
 * that begin in March. */
int date_put_utc(char *out, size_t room, uint64_t wall_us)
{
    uint64_t day = wall_us / 86400000000u + 719468, ms = wall_us / 1000 % 86400000;
    uint64_t era = day / 146097, of_era = day % 146097;
    uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    uint64_t month = (5 * of_year + 2) / 153;

    return snprintf(out, room, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
                    (unsigned)(year + era * 400 + (month >= 10)),
                    (unsigned)(month < 10 ? month + 3 : month - 9),
                    (unsigned)(of_year - (153 * month + 2) / 5 + 1), (unsigned)(ms / 3600000),
                    (unsigned)(ms / 60000 % 60), (unsigned)(ms / 1000 % 60), (unsigned)(ms % 1000));
}
