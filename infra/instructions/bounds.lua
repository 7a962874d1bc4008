-- The bounds of `make instructions`: the figures of today and a percent or two, of the program as
-- `make` builds it, which is optimised at link time. A commit that makes a request cheaper lowers
-- them; a commit that has to raise a bound says why.
return {
  instructions_log_off = 11520, -- of a small request, in user space
  instructions_log_on = 13340,  -- with the access log, json, to a file
  instructions_tls = 21000,     -- of one over TLS 1.3 with AES-128-GCM, the log off
  instructions_h2c = 16700,     -- of one over HTTP/2 without TLS, 10 x 10, the log off
  explained = 1.02, -- of one with admin, log off, as part of one without
  kept = 1.12,      -- the same if each is kept for lb explain, as on a quiet machine
  traced_0 = 1.04,  -- with tracing that keeps no spans: 1.02, and turns of the loop, which vary
  traced_1 = 1.10,  -- with the spans of all requests
  allocations_tls = 0.02,       -- of that
  allocations = 0.02,           -- calls of malloc and its like, which time causes, not requests
  syscalls = 4.20,              -- at 64 connections, in the thread that serves them
}
