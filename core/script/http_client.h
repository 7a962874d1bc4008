/*
 * http_client - what the functions of lb.http have in common. Within a call of a script.
 */
#ifndef SCRIPT_HTTP_CLIENT_H
#define SCRIPT_HTTP_CLIENT_H

#include "dial/fetch.h"
#include "script/tls_options.h"

#include <lua.h>

/* Their arguments, from core/lua/clients.lua, which has checked types and ranges. Names and values
 * of fields follow, in turn. */
enum {
    HTTP_METHOD = 1,
    HTTP_URL,
    HTTP_TIMEOUT, /* seconds */
    HTTP_BYTES,   /* of the body, or of a line of it, at most */
    HTTP_BODY,
    HTTP_VIA,
    HTTP_SILENCE, /* seconds, of lb.http.lines */
    HTTP_TLS,
    HTTP_FIELDS = HTTP_TLS + TLS_OPTIONS
};

enum { HTTP_WRONG_BYTES = 256 };

/* Gives the fetch the request. NULL, or what is wrong with which argument, in static words. Raises
 * no error. */
const char *http_fill(lua_State *, struct fetch *, int *which) MUST_USE;
/* That with the argument's name: "url: a URL has 8192 bytes at most". */
void http_say_wrong(char text[HTTP_WRONG_BYTES], lua_State *, int which, const char *wrong);
/* A table of fields by lower-case name, as answers have it. Borrows the head for the call. */
void http_push_headers(lua_State *, const struct head *);

#endif
