-- Asks a second backend when the first has not answered a lookup within 50 ms, and takes the first
-- answer. Suits small GETs whose slowest hundredth hurts. The script itself asks, so in_flight does
-- not count that. Without a good answer of at most 64 KiB within 2 s a request goes the usual way.
local FOLDER, PATIENCE, TIMEOUT = "/lookup/", 0.05, 2
local PASSED_ON = { "Content-Type", "Cache-Control", "ETag", "Last-Modified", "Vary" }

local function ask(ctx, backend, race)                 -- lb.after(0) runs it besides this call
  local url = "http://" .. backend.address .. ctx.path .. (ctx.query ~= "" and "?" .. ctx.query or "")
  local headers = { Host = ctx.headers.host, Accept = ctx.headers.accept, ["X-Request-ID"] = ctx.id }
  race.running = race.running + 1
  lb.after(0, function()
    local res = lb.http.get(url, { timeout = TIMEOUT, headers = headers, max_body = 65536 })
    race.running = race.running - 1
    if res and res.status == 200 and not race.res then race.res, race.winner = res, backend end
  end)
end

---@type lb.Script
return {
  backends = { "127.0.0.1:9001", "127.0.0.1:9002" },

  choose = function(ctx, backends)
    local is_lookup = ctx.method == "GET" and ctx.path:sub(1, #FOLDER) == FOLDER and ctx.tries == 1
    local has_user = ctx.headers.cookie or ctx.headers.authorization or ctx.headers.range
    if not is_lookup or has_user or #backends < 2 then return lb.policy.least_in_flight(ctx, backends) end
    local race, began, first, second = { running = 0 }, lb.now(), backends:sample(2)
    ask(ctx, first, race)
    while not race.res and (race.running > 0 or second) do
      if second and (race.running == 0 or lb.now() - began > PATIENCE) then
        ask(ctx, second, race)
        second = nil
      end
      lb.sleep(0.002)
    end
    if not race.res then return lb.policy.least_in_flight(ctx, backends) end
    local headers = {}
    for _, name in ipairs(PASSED_ON) do headers[name] = race.res.headers[name] end
    return ctx:respond { headers = headers, body = race.res.body, why = "answered by " .. race.winner.name }
  end,
}
