#include "admin/page.h"

#include "lua/embedded.h"

EMBEDDED(page_html, "core/admin/page.html")
EMBEDDED(page_css, "core/admin/page.css")
EMBEDDED(page_js, "core/admin/page.js")
EMBEDDED(page_table_js, "core/admin/page_table.js")

static enum answer_step put_file(struct answer *a, struct buffer *out, const char *type,
                                 struct slice file)
{
    a->type = type;
    a->fields = "Content-Security-Policy: default-src 'none'; script-src 'self'; "
                "style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
                "form-action 'none'; frame-ancestors 'none'; "
                "require-trusted-types-for 'script'; trusted-types 'none'\r\n"
                "Referrer-Policy: no-referrer\r\n"
                "Cross-Origin-Resource-Policy: same-origin\r\n";
    buffer_append(out, file);
    return ANSWER_DONE;
}

enum answer_step page_html(struct answer *a, struct buffer *out)
{
    return put_file(a, out, "text/html; charset=utf-8", embedded_page_html());
}

enum answer_step page_css(struct answer *a, struct buffer *out)
{
    return put_file(a, out, "text/css; charset=utf-8", embedded_page_css());
}

enum answer_step page_js(struct answer *a, struct buffer *out)
{
    return put_file(a, out, "text/javascript; charset=utf-8", embedded_page_js());
}

enum answer_step page_table_js(struct answer *a, struct buffer *out)
{
    return put_file(a, out, "text/javascript; charset=utf-8", embedded_page_table_js());
}
