-- Two sets of backends, of which one is live, and a switch for all workers at once. Suits releases
-- that can be taken back in a moment. `curl -X POST 127.0.0.1:9000/live/green` switches; the choice
-- survives a reload, and after a start blue is live. If all backends of the live colour are down
-- it answers 503: the other colour may be half installed.
local ADMIN = "127.0.0.1:9000"
local turn = lb.counter "blue_green"

local function live() return lb.get "live" or "blue" end

local function switch(ctx)
  local colour = ctx.path:match "^/live/(%l+)$"
  if colour and ctx.method ~= "POST" then return ctx:reject(405, { headers = { Allow = "POST" } }) end
  if colour == "blue" or colour == "green" then
    lb.set("live", colour)
    lb.log.info("live is " .. colour)
  elseif ctx.path ~= "/live" then
    return ctx:reject(404)
  end
  return ctx:respond { body = live() .. "\n" }
end

---@type lb.Script
return {
  listen = { ":8080", ADMIN },
  backends = {
    { address = "127.0.0.1:9001", tags = { colour = "blue" } },
    { address = "127.0.0.1:9002", tags = { colour = "green" } },
  },

  choose = function(ctx, backends)
    if ctx.listener == ADMIN then return switch(ctx) end
    local chosen = turn:next(ctx, backends:tagged("colour", live()))
    if not chosen then return nil, "no backend is up that is " .. live() end
    return chosen, { why = live() }
  end,
}
