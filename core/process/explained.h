/*
 * explained - lb explain and lb decisions: how requests went, from JSON to text.
 *
 * The JSON is that of GET /decisions, or a line of the access log, which has the same names. No
 * text in it can make a terminal do anything.
 */
#ifndef PROCESS_EXPLAINED_H
#define PROCESS_EXPLAINED_H

#include "base/buffer.h"

void explained_put(struct buffer *, struct slice decision); /* one of them, in full */
void explained_list(struct buffer *, struct slice answer);  /* a line for each, the newest last */
/* The exit status: lb explain ID --log FILE; "-": standard input. */
int explained_in_log(const char *path, const char *id);

#endif
