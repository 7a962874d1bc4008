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
