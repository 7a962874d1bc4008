-- Round robin over the healthy backends. Change this file to change what the balancer does:
-- scripts/README.md says what a hook is shown and what it may return, core/reference/settings.md
-- lists the settings.

local turn = lb.counter "turn"                       -- one count for all workers

---@type lb.Script
return {
  listen   = os.getenv "LISTEN" or "0.0.0.0:3030",
  backends = os.getenv "BACKENDS" or "127.0.0.1:9001, 127.0.0.1:9002",

  -- Every 2 s lb connects to each backend, and at once when a request could not. 2 failures in a
  -- row: it gets no requests any more; 1 success: it does again.
  health   = { interval = 2, timeout = 1, rise = 1, fall = 2 },

  -- Which backend gets this request? `backends` are those that are up (or all, if none is) and that
  -- this request has not tried yet. `return nil, "why"` answers 503.
  choose = function(ctx, backends)
    -- 1, 2, .., n, 1, ..; a second try goes to the next one.
    return turn:next(ctx, backends)
  end,

  -- A try failed. "retry" tries the same backend again after 10 ms, "next" asks choose again,
  -- "fail" gives up (503). ctx.retries counts tries again on this backend, ctx.attempts the
  -- backends. Whatever this says, lb repeats a request that a backend may have seen only if that
  -- is safe.
  on_failure = function(ctx, backend, err)
    if err.kind == "connect" and ctx.retries < 3 then return "retry" end
    return ctx.attempts < 3 and "next" or "fail"
  end,
}
