/*
 * reason - what a status is called (RFC 9110, 15): the reason phrase, which HTTP/2 has not.
 */
#ifndef HTTP_REASON_H
#define HTTP_REASON_H

const char *reason_of(unsigned status); /* empty if the status has no name */

#endif
