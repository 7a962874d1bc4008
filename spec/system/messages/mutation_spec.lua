-- Mutated requests, responses and conversations of HTTP/2 through lb, a canary behind each. `make
-- fuzz` runs 100,000 of each.
local uv = require "luv"
local campaign = require "spec.support.campaign"
local mutate = require "spec.support.mutate"
local play = require "spec.support.play"

local NUMBER, LANES = 400, 8

local function described(findings)
  local list = {}
  for i, one in ipairs(findings) do
    list[i] = ("%s:%d:%d %s; %s; %s"):format(one.kind, one.seed, one.number, one.what,
      mutate.escaped(one.bytes, 400), one.detail)
  end
  return list
end

local function descriptors(lb)
  local held = {}
  for i, pid in ipairs(lb:children()) do
    local count, scan = 0, uv.fs_scandir(("/proc/%d/fd"):format(pid))
    while uv.fs_scandir_next(scan) do count = count + 1 end
    held[i] = pid .. " " .. count
  end
  return held
end

local running

local function new_campaign(kind, to, patience_ms)
  patience_ms = patience_ms or 4000 * play.slow
  running = campaign.new { kind = kind, seed = 1, to = to, lanes = LANES, patience_ms = patience_ms }
  return running
end

describe("mutated messages through lb", function()
  after_each(function()
    running:close()
    play.curtain()
  end)

  for _, kind in ipairs { "requests", "responses", "conversations" } do
    it("are read in one way only, and harm nobody behind them: " .. kind, function()
      local run = new_campaign(kind, NUMBER)
      local lb = play.balancer { script = run.script, listen = kind ~= "conversations" and "127.0.0.1:0" }
      local before
      -- Its processes are there, and no check of a backend is under way.
      play.wait("descriptors at rest", function()
        local now = descriptors(lb)
        local is_same = before and table.concat(now, ",") == table.concat(before, ",")
        before = now
        return is_same and #now == 2
      end)
      run:begin(lb.address)
      play.wait("the end of the campaign", function() return run.is_over end, 60)
      assert.same({}, described(run.findings))
      assert.equal(NUMBER, run.canaries)
      run:rest()
      play.wait("descriptors as before", function()
        return table.concat(descriptors(lb), ",") == table.concat(before, ",")
      end)
    end)
  end

  -- Who passes bytes on as they come must be found out, or silence above means nothing.
  it("show what a relay of bytes does wrong", function()
    local run = new_campaign("requests", 40, 400)
    local relay = uv.new_tcp()
    relay:bind("127.0.0.1", 0)
    relay:listen(128, function()
      local client, backend = uv.new_tcp(), uv.new_tcp()
      relay:accept(client)
      local name = client:getpeername()
      -- It has reset the connection already.
      if not name then return client:close(), backend:close() end
      local lane = run.lanes[tonumber(name.ip:match "^127%.(%d+)")]
      local function pump(from, to)
        from:read_start(function(_, bytes)
          if bytes and not to:is_closing() then return to:write(bytes) end
          if not from:is_closing() then from:close() end
          if not to:is_closing() then to:close() end
        end)
      end
      backend:connect("127.0.0.1", lane and lane.port or 1, function()
        pump(client, backend)
        pump(backend, client)
      end)
    end)
    run:begin("127.0.0.1:" .. relay:getsockname().port)
    play.wait("the end of the campaign", function() return run.is_over end, 60)
    relay:close()
    local found = table.concat(described(run.findings), "\n")
    assert.matches("malformed bytes at a backend", found)
    assert.matches("bytes behind a request, before its answer", found)
  end)
end)
