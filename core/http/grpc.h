/*
 * grpc - what a gRPC call says in its head, and what an answer to one says (the documents "gRPC
 * over HTTP2" and "HTTP to gRPC Status Code Mapping" of the gRPC project). Pure.
 *
 * gRPC is a property of a request and not of a backend: a POST whose Content-Type begins with
 * application/grpc. Each answer has the status 200; how the call went is in the field grpc-status,
 * which stands in the trailers, or in the head of an answer that has nothing else.
 */
#ifndef HTTP_GRPC_H
#define HTTP_GRPC_H

#include "base/arena.h"
#include "http/head.h"

#define GRPC_TYPE    SLICE("application/grpc")
#define GRPC_STATUS  SLICE("grpc-status")
#define GRPC_MESSAGE SLICE("grpc-message")
#define GRPC_TIMEOUT SLICE("grpc-timeout")

enum { GRPC_STATUS_NONE = -1, GRPC_STATUS_UNAVAILABLE = 14 };

/* The trailers of an answer that has begun and cannot be completed. */
#define GRPC_BROKE_OFF SLICE("grpc-status: 14\r\ngrpc-message: the answer broke off\r\n")

struct grpc_call {                /* borrows the head and its target */
    struct slice service, method; /* of the path "/package.Service/Method"; empty: it has not two */
    uint64_t timeout_ms;          /* 0: none */
};

/* A name with + behind it, or parameters, is gRPC as well; application/grpc-web is not, as it is
 * another protocol. */
bool grpc_is(const struct head *);
void grpc_read(struct grpc_call *, const struct head *, struct slice path);

/* 1 to 8 digits and a unit. Rounded up to ms, and at least 1. False: it is none. */
bool grpc_timeout_read(struct slice, uint64_t *ms);
enum { GRPC_TIMEOUT_BYTES = 9 };
struct slice grpc_timeout_write(char room[GRPC_TIMEOUT_BYTES], uint64_t ms);

/* Of an answer of ours with that HTTP status. */
unsigned grpc_status_of(unsigned http_status);
/* Of a response's head, or of trailers that are forwarded, as lines; GRPC_STATUS_NONE: there is
 * none. What is no number is 2, UNKNOWN, as clients read it. */
int grpc_status_in(const struct head *);
int grpc_status_in_lines(struct slice lines);
/* A text as grpc-message has it: % and bytes that a field may not have are % and two hex digits. */
struct slice grpc_message(struct arena *, struct slice text);

#endif
