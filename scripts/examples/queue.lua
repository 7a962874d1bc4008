-- At most 4 reports are made at a time, over all workers; others wait up to 8 s for a place, 50 in
-- each worker. All others get a 503; clients that leave free their place. Suits rare, heavy work.
local FOLDER, PLACES, WAITING, PATIENCE = "/reports/", 4, 50, 8
local TTL = 90                                         -- seconds; no request may last longer
local waiting = 0                                      -- in this worker

local function takes_place(ctx)
  for i = 1, PLACES do
    local place = "queue: " .. i
    if lb.add(place, ctx.id, TTL) then
      ctx:finally(function() return lb.get(place) == ctx.id and lb.set(place, nil) end)
      return true
    end
  end
end

local function waits_for_place(ctx)
  local latest, is_waiting, has_place = lb.now() + PATIENCE, 1
  waiting = waiting + 1
  ctx:finally(function() waiting = waiting - is_waiting end)         -- its client has left
  repeat
    lb.sleep(0.02)
    has_place = takes_place(ctx)
  until has_place or lb.now() > latest
  waiting, is_waiting = waiting - 1, 0
  return has_place
end

---@type lb.Script
return {
  backends = { "127.0.0.1:9001", "127.0.0.1:9002" },
  timeouts = { request = 60 },
  choose = function(ctx, backends)
    local vars, path = ctx.vars, ctx.clean_path or FOLDER
    if path:sub(1, #FOLDER) ~= FOLDER or vars.has_place then return lb.policy.least_in_flight(ctx, backends) end
    vars.has_place = waiting == 0 and takes_place(ctx) or waiting < WAITING and waits_for_place(ctx)
    if not vars.has_place then return ctx:reject(503, { retry_after = PATIENCE, why = "no place" }) end
    return lb.policy.least_in_flight(ctx, backends)
  end,
}
