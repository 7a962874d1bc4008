-- Answers 503 at once while most requests fail, so that an overloaded application can recover and
-- clients do not wait. One request a second is let through on trial; if it succeeds, all are again.
-- Suits backends that share what breaks, such as a database.
-- (circuit_breaker ejects single backends.)
local SECONDS, AT_LEAST, PART, OPEN_FOR = 10, 20, 0.5, 60
local all, bad = lb.window("breaker: all", SECONDS), lb.window("breaker: bad", SECONDS)

local function set_open(is_open)
  local was_open = lb.get "breaker: open" or false
  lb.set("breaker: open", is_open or nil, OPEN_FOR)
  if is_open ~= was_open then lb.log.warn(is_open and "the breaker is open" or "the breaker is closed") end
  if not is_open then
    all:add(-all:get())                                -- it begins to count anew
    bad:add(-bad:get())
  end
end

---@type lb.Script
return {
  backends = { "127.0.0.1:9001", "127.0.0.1:9002" },

  choose = function(ctx, backends)
    if ctx.tries == 1 and lb.get "breaker: open" and not ctx.vars.on_trial then
      ctx.vars.on_trial = lb.add("breaker: trial", ctx.id, 1)
      if not ctx.vars.on_trial then return ctx:reject(503, { retry_after = 1, why = "the breaker is open" }) end
    end
    return lb.policy.least_in_flight(ctx, backends)
  end,

  on_done = function(ctx)
    if not ctx.result.backend or ctx.result.status == 499 then return end
    local failed = ctx.result.status >= 500
    if ctx.vars.on_trial then return set_open(failed) end
    local total, failures = all:add() or 0, failed and bad:add() or bad:get()
    if failed and total >= AT_LEAST and failures >= PART * total then set_open(true) end
  end,
}
