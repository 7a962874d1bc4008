-- Backends in HTTP/2 that send anything: lb stays, and serves by the next backend.
local frames = require "spec.support.h2_frames"
local h2_backends = require "spec.support.h2_backends"
local mutate = require "spec.support.mutate"
local play = require "spec.support.play"

local CONVERSATIONS = tonumber(os.getenv "LB_H2_CONVERSATIONS") or 400

local function pieces()
  local ok = { { ":status", "200" }, { "x-a", "b" } }
  return {
    frames.settings { { "MAX_CONCURRENT_STREAMS", 3 } }, frames.settings_ack(),
    frames.headers(1, { { ":status", "103" }, { "link", "</a>" } }), frames.headers(1, ok),
    frames.data(1, ("x"):rep(100)), frames.data(1, "abc", { padding = 7 }), frames.data(1, "", { last = true }),
    frames.headers(1, { { "x-sum", "1" } }, { last = true }), frames.headers(3, ok, { last = true }),
    frames.headers(1, { { ":status", "200" }, { "content-length", "3" } }), frames.window(0, 1000),
    frames.window(1, 2 ^ 30), frames.ping "12345678", frames.ping("12345678", true), frames.rst(1, "REFUSED_STREAM"),
    frames.rst(1, "CANCEL"), frames.rst(3, "NO_ERROR"), frames.goaway(0, "NO_ERROR"),
    frames.goaway(2 ^ 31 - 1, "NO_ERROR"), frames.goaway(1, "ENHANCE_YOUR_CALM"),
    frames.settings { { "INITIAL_WINDOW_SIZE", 0 } }, frames.settings { { "HEADER_TABLE_SIZE", 0 } },
    frames.settings { { "MAX_CONCURRENT_STREAMS", 0 } }, frames.priority(1, 0, 5), frames.push(1, 2, ok),
    frames.headers(1, ok, { open = true }), frames.continuation(1, ok), frames.frame(77, 0, 1, "what"),
  }
end

local SETTINGS_FIRST = pieces()[1]

local function conversation(n)
  local r, all = mutate.random(1, n), pieces()
  local parts = { r:one_in(8) and "" or SETTINGS_FIRST }
  for _ = 0, r:below(12) do parts[#parts + 1] = r:pick(all) end
  local bytes = table.concat(parts)
  if r:one_in(2) then bytes = mutate.mutate(r, bytes, SETTINGS_FIRST) end
  return bytes, r:below(3)
end

describe("a backend in HTTP/2 that sends anything", function()
  after_each(play.curtain)

  it("harms nobody", function()
    local count = 0
    local hostile = play.backend(function(conn)
      conn:exactly(24)
      count = count + 1
      local bytes, ending = conversation(count)
      play.note("conversation", tostring(count))
      conn:send(bytes)
      if ending == 0 then return end
      if ending == 1 then conn:rest() else conn:reset() end
    end)
    local lb = h2_backends.balancer({ hostile, h2_backends.echo() }, [[
      health = { interval = 60, timeout = 5, eject_after = 0 },
      timeouts = { response_head = 0.05, response_body = 0.05, upstream_idle = 0.05 },
      limits = { retry_budget = 1 },
      choose = function(ctx, backends) return backends[1] end,
      on_failure = function() return "next" end,
    ]])
    local done = 0
    local function client(from)
      for n = from, CONVERSATIONS, 4 do
        local conn = play.client(lb)
        if n % 3 == 0 then
          conn:send "PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"
        else
          conn:send "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        end
        conn:rest()
        conn:close()
        done = done + 1
      end
    end
    for from = 1, 4 do play.beside(client, from) end
    play.wait("all conversations", function() return done == CONVERSATIONS end, 600)
    assert.is_true(count > CONVERSATIONS / 10, count .. " conversations")
    assert.same({}, lb:events "worker_died")
  end)
end)
