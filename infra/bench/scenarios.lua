-- scenarios - what is measured, of whom, and what it should be.
--
-- rounds: a path of the origin, and connections that ask again as soon as they have an answer.
-- closing: over a new connection each time. rate: so many requests a second instead, whatever
-- becomes of them. shakes: one connection after the other, by shake, with a full handshake or
-- resumed. streams: over HTTP/2, so many requests at once on each connection, by h2load; grpc: as
-- calls of gRPC. who: which contestants. of: whose ratio is 1, if not HAProxy's. others: measured
-- once, after the rounds. holds: connections that shake keeps. above: the scenario whose bytes are
-- taken off for the goal.

local MAIN = { "relay", "haproxy", "haproxy-lua", "nginx-lua", "lb", "lb2" }
local SMALL = { "lb-c", "lb-log", "lb-traced", unpack(MAIN) }
local BIG = { "haproxy-splice", unpack(MAIN) }

local TLS = { "haproxy-tls", "nginx-tls", "lb-tls", "lb2-tls" }

local H2C = { "haproxy-h2c", "nginx-h2c", "lb-h2c", "lb2-h2c" }
local GRPC = { "haproxy-grpc", "nginx-grpc", "lb-grpc", "lb2-grpc" }

local scenarios = {}

scenarios.rounds = {
  {
    name = "small", title = "Small: 64 connections, answers of 100 bytes",
    path = "/100", connections = 64, who = SMALL,
  },
  { name = "10k", title = "10 KiB answers: 64 connections", path = "/10k", connections = 64, who = MAIN },
  { name = "post", title = "10 KiB posts: 64 connections", path = "/100", connections = 64, post = 10240, who = MAIN },
  { name = "1m", title = "1 MiB answers: 16 connections", path = "/1m", connections = 16, who = BIG, per_gib = true },
  {
    name = "newconn", title = "A new client connection per request: 64 at a time",
    path = "/100", connections = 64, closing = true, who = MAIN,
  },
  {
    name = "open", title = "Moderate rate: 3,000 requests/s over 60 connections",
    path = "/100", connections = 60, rate = 3000, who = MAIN,
  },
  {
    name = "tls_small", title = "TLS 1.3, small: 64 connections, answers of 100 bytes",
    path = "/100", connections = 64, who = TLS, of = "haproxy-tls",
  },
  {
    name = "tls_10k", title = "TLS 1.3, 10 KiB answers: 64 connections",
    path = "/10k", connections = 64, who = TLS, of = "haproxy-tls",
  },
  {
    name = "tls_1m", title = "TLS 1.3, 1 MiB answers: 16 connections",
    path = "/1m", connections = 16, who = TLS, of = "haproxy-tls", per_gib = true,
  },
  {
    name = "hs_full", title = "TLS 1.3, a new connection per request, one after the other",
    path = "/100", shakes = "full", who = TLS, of = "haproxy-tls",
  },
  {
    name = "hs_resumed", title = "TLS 1.3, a resumed connection per request, one after the other",
    path = "/100", shakes = "resumed", who = TLS, of = "haproxy-tls",
  },
  {
    name = "h2_small", title = "HTTP/2 over TLS, small: 10 connections with 10 streams each",
    path = "/100", connections = 10, streams = 10, who = TLS, of = "haproxy-tls",
  },
  {
    name = "h2_1x1", title = "HTTP/2 over TLS, small: 64 connections with one stream",
    path = "/100", connections = 64, streams = 1, who = TLS, of = "haproxy-tls",
  },
  {
    name = "h2c_small", title = "HTTP/2 without TLS, small: 10 connections with 10 streams each",
    path = "/100", connections = 10, streams = 10, who = H2C, of = "haproxy-h2c",
  },
  {
    name = "h2_10k", title = "HTTP/2 over TLS, 10 KiB answers: 10 connections with 10 streams each",
    path = "/10k", connections = 10, streams = 10, who = TLS, of = "haproxy-tls",
  },
  {
    name = "grpc", title = "gRPC, unary, without TLS: 10 connections with 10 streams each",
    path = "/bench.Calls/Call", connections = 10, streams = 10, grpc = true, who = GRPC, of = "haproxy-grpc",
  },
  {
    name = "grpc_1x1", title = "gRPC, unary, without TLS: 64 connections with one stream",
    path = "/bench.Calls/Call", connections = 64, streams = 1, grpc = true, who = GRPC, of = "haproxy-grpc",
  },
}

scenarios.others = {
  {
    name = "syscalls", title = "System calls: 64 connections, answers of 100 bytes",
    path = "/100", connections = 64, who = SMALL,
  },
  {
    name = "idle", title = "Idle connections, each of which was served once",
    path = "/100", connections = 10000, who = { "haproxy", "nginx-lua", "lb", "lb2" },
  },
  {
    name = "idle_tls", title = "Idle TLS 1.3 connections, each of which was served once",
    path = "/100", connections = 2000, who = TLS, holds = "idle",
  },
  {
    name = "idle_h2", title = "Idle HTTP/2 connections over TLS, each of which was served once",
    path = "/100", connections = 2000, who = TLS, holds = "h2", above = "idle_tls",
  },
  {
    name = "half_hello", title = "Connections that have sent half of a ClientHello",
    path = "/100", connections = 1000, who = TLS, holds = "hello",
  },
  {
    name = "half_handshake", title = "Connections that owe the end of their handshake",
    path = "/100", connections = 1000, who = TLS, holds = "finish",
  },
}

-- ratio: the first contestant over the second, the median over the rounds; figure: by its name.
scenarios.goals = {
  { "small", 0.80, 0.75, ratio = { "small", "lb", "haproxy" } },
  { "10 KiB answers", 0.80, 0.75, ratio = { "10k", "lb", "haproxy" } },
  { "10 KiB posts", 0.80, 0.75, ratio = { "post", "lb", "haproxy" } },
  { "small, over the bare relay", 1.25, 1.15, ratio = { "small", "lb", "relay" } },
  { "1 MiB answers (CPU per GiB)", 0.85, 0.70, ratio = { "1m", "lb", "haproxy" } },
  { "a new client connection per request", 0.95, 0.88, ratio = { "newconn", "lb", "haproxy" } },
  { "3,000 requests/s, open loop", 0.80, 0.70, ratio = { "open", "lb", "haproxy" } },
  { "access log on (json, to a file) over off", 1.05, 1.03, ratio = { "small", "lb-log", "lb" } },
  { "tracing, spans of all requests, over off", 1.10, 1.06, ratio = { "small", "lb-traced", "lb" } },
  { "Lua policy over the same pick in C", 1.05, 1.02, ratio = { "small", "lb", "lb-c" } },
  { "memory per idle connection, bytes", 512, 400, figure = "idle_bytes" },
  { "PSS with 10,000 idle connections, MiB", 10, 6, figure = "idle_pss" },
  { "system calls per small request", 4.2, 4.1, figure = "syscalls" },
  { "TLS, small", 0.72, 0.58, ratio = { "tls_small", "lb-tls", "haproxy-tls" } },
  { "TLS, 10 KiB answers", 0.75, 0.60, ratio = { "tls_10k", "lb-tls", "haproxy-tls" } },
  { "TLS, 1 MiB answers (CPU per GiB)", 0.98, 0.80, ratio = { "tls_1m", "lb-tls", "haproxy-tls" } },
  { "TLS, a new connection", 0.90, 0.82, ratio = { "hs_full", "lb-tls", "haproxy-tls" } },
  { "TLS, a resumed connection", 0.92, 0.87, ratio = { "hs_resumed", "lb-tls", "haproxy-tls" } },
  { "memory per idle TLS connection, bytes", 1500, 1000, figure = "idle_tls_bytes" },
  { "HTTP/2 over TLS, 10 x 10", 0.60, 0.45, ratio = { "h2_small", "lb-tls", "haproxy-tls" } },
  { "HTTP/2 over TLS, 64 x 1", 0.70, 0.58, ratio = { "h2_1x1", "lb-tls", "haproxy-tls" } },
  { "HTTP/2 without TLS, 10 x 10", 0.62, 0.47, ratio = { "h2c_small", "lb-h2c", "haproxy-h2c" } },
  { "HTTP/2 over TLS, 10 KiB answers", 0.78, 0.65, ratio = { "h2_10k", "lb-tls", "haproxy-tls" } },
  { "gRPC, 10 x 10", 0.45, 0.28, ratio = { "grpc", "lb-grpc", "haproxy-grpc" } },
  { "gRPC, 64 x 1", 0.60, 0.42, ratio = { "grpc_1x1", "lb-grpc", "haproxy-grpc" } },
  { "memory per idle HTTP/2 connection above TLS, bytes", 8000, 4500, figure = "idle_h2_above" },
  { "memory per half ClientHello, bytes", 2000, 1000, figure = "half_hello_bytes" },
}

return scenarios
