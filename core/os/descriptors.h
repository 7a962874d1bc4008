/*
 * descriptors - how many files the processes may have open at once.
 */
#ifndef OS_DESCRIPTORS_H
#define OS_DESCRIPTORS_H

#include "base/buffer.h"
#include "base/check.h"
#include "config/config.h"

#include <stdbool.h>

/* In the supervisor, before it opens anything: the limit becomes the highest that the system
 * allows. False, and *error says what is needed, if no worker could serve a client then. */
bool descriptors_raise(const struct config *, struct buffer *error) MUST_USE;

#endif
