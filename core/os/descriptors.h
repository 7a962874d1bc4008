/*
 * descriptors - how many files the processes may have open at once.
 */
#ifndef OS_DESCRIPTORS_H
#define OS_DESCRIPTORS_H

#include "base/buffer.h"
#include "base/check.h"
#include "config/config.h"

#include <stdbool.h>

/* In the supervisor, before it opens anything: raises the limit as far as the system allows. False,
 * and *error says what is needed, if no worker could serve a client even so. */
bool descriptors_raise(const struct config *, struct buffer *error) MUST_USE;

#endif
