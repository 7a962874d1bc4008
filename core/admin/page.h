/*
 * page - the dashboard: a page for browsers, whole in the program.
 *
 * It holds no data. Its script asks /state once and goes by /events then, as any other client
 * does. Texts that scripts, backends or clients have chosen become text there, never HTML; the
 * browser takes scripts and styles from here only, and asks nobody else.
 */
#ifndef ADMIN_PAGE_H
#define ADMIN_PAGE_H

#include "admin/answer.h"

enum answer_step page_html(struct answer *, struct buffer *out);
enum answer_step page_css(struct answer *, struct buffer *out);
enum answer_step page_js(struct answer *, struct buffer *out);       /* its data and its actions */
enum answer_step page_table_js(struct answer *, struct buffer *out); /* the table of backends */

#endif
