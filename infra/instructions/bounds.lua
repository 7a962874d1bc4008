-- What `make instructions` fails above: the figures of today and a few percent, on the dearer of Debian 12 and 13,
-- optimised at link time or not. Whoever makes a request cheaper lowers them in the same commit; whoever has to
-- raise one says why.
return {
  instructions_log_off = 12000, -- of a small request, in user space
  instructions_log_on = 13600,  -- with the access log, json, to a file
  allocations = 0.02,           -- calls of malloc and its like; what is left belongs to time, not to requests
  syscalls = 4.20,              -- at 64 connections, in the thread that serves them
}
