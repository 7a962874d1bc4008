-- Floods by count: what is of no use ends its connection with ENHANCE_YOUR_CALM, within so many
-- frames, whatever the time it takes.
local frames = require "spec.support.h2_frames"
local cases = require("spec.support.h2_cases").new()
local head = cases.head

local CALM = { "ENHANCE_YOUR_CALM" }

-- Sent in pieces, as nobody reads behind a GOAWAY.
local function flood(name, count, make, more)
  local list = {}
  for from = 1, count, 100 do
    local piece = {}
    for i = from, math.min(from + 99, count) do piece[#piece + 1] = make(i) end
    list[#list + 1] = table.concat(piece)
    list[#list + 1] = function() return true end
  end
  local case = { rule = "h2-floods", name = ("%d x %s"):format(count, name), send = list, goaway = CALM,
    backend_any = true,
    ways = { "whole" } }
  for key, value in pairs(more or {}) do case[key] = value end
  cases:add(case)
end

local function quiet(name, count, make)
  local list = {}
  for i = 1, count do list[i] = make(i) end
  cases:add { rule = "h2-floods", name = ("%d x %s are no flood"):format(count, name), send = table.concat(list),
    backend_any = true }
end

local function reset(i)
  return head(nil, { stream = 1 + 2 * i }) .. frames.rst(1 + 2 * i, "CANCEL")
end
flood("a request and its reset (CVE-2023-44487)", 1000, reset, { answer = cases.HELD })
quiet("a request and its reset", 20, reset)
local function made(i)
  return head(nil, { stream = 1 + 2 * i }) .. frames.window(1 + 2 * i, 0)
end
flood("a request and a fault that lb must reset (CVE-2025-8671)", 1000, made, { answer = cases.HELD })
-- Other faults that lb must reset, each on a stream of its own.
local function at(i, more)
  more = more or {}
  more.stream, more.method = 1 + 2 * i, "POST"
  return head(more.text, more)
end
for _, one in ipairs {
  { "a request and too much credit", function(i)
    return at(i, { open_end = true }) .. frames.window(1 + 2 * i, 2 ^ 31 - 1)
  end },
  { "a request and DATA behind its end", function(i) return at(i) .. frames.data(1 + 2 * i, "x") end },
  { "a request and a head behind its end", function(i) return at(i) .. at(i) end },
  { "a request with more DATA than it says", function(i)
    return at(i, { open_end = true, text = "content-length: 1" }) .. frames.data(1 + 2 * i, "xx")
  end },
  { "a request with less DATA than it says", function(i)
    return at(i, { open_end = true, text = "content-length: 2" }) .. frames.data(1 + 2 * i, "x", { last = true })
  end },
  { "a request and trailers without an end", function(i)
    return at(i, { open_end = true }) .. frames.headers(1 + 2 * i, { { "x", "y" } })
  end },
  { "a request that depends on itself", function(i) return at(i, { depends = 1 + 2 * i }) end },
} do
  flood(one[1], 1000, one[2], { answer = cases.HELD })
end
flood("a malformed request", 1000, function(i) return head("X-A: 1", { stream = 1 + 2 * i }) end)
quiet("a malformed request", 20, function(i) return head("X-A: 1", { stream = 1 + 2 * i }) end)
flood("PING (CVE-2019-9512)", 5000, function() return frames.ping() end)
quiet("PING", 100, function() return frames.ping() end)
flood("SETTINGS (CVE-2019-9515)", 5000, function() return frames.settings { { "INITIAL_WINDOW_SIZE", 65535 } } end)
quiet("SETTINGS", 50, function() return frames.settings() end)
flood("PRIORITY (CVE-2019-9513)", 5000, function(i) return frames.priority(1 + 2 * i, 0) end)
quiet("PRIORITY", 100, function(i) return frames.priority(1 + 2 * i, 0) end)
flood("WINDOW_UPDATE of 1", 5000, function() return frames.window(0, 1) end)
quiet("WINDOW_UPDATE", 100, function() return frames.window(0, 1) end)
flood("an answer to no SETTINGS", 5000, function() return frames.settings_ack() end)
flood("an answer to no PING", 5000, function() return frames.ping("12345678", true) end)
flood("GOAWAY", 5000, function() return frames.goaway(0, "NO_ERROR") end)
flood("an unknown frame", 5000, function() return frames.frame(99, 0, 0, "x") end)
local OPEN = head(nil, { method = "POST", open_end = true })
flood("empty DATA (CVE-2019-9518)", 2000, function(i) return (i == 1 and OPEN or "") .. frames.data(3, "") end)
flood("DATA of padding", 2000, function(i) return (i == 1 and OPEN or "") .. frames.data(3, "", { padding = 1 }) end)
quiet("empty DATA", 50, function(i) return (i == 1 and OPEN or "") .. frames.data(3, "", { last = i == 50 }) end)
flood("RST_STREAM of a stream that is over", 5000, function(i)
  return (i == 1 and head() or "") .. frames.rst(3, "CANCEL")
end)
flood("CONTINUATION (2024)", 2000, function(i)
  return i == 1 and frames.headers(3, cases.block(), { open = true }) or frames.continuation(3, "\0\1a\1b",
    { open = true })
end, { goaway = { "ENHANCE_YOUR_CALM", "PROTOCOL_ERROR", "COMPRESSION_ERROR" } })
flood("empty CONTINUATION", 2000, function(i)
  return i == 1 and frames.headers(3, cases.block(), { open = true }) or frames.continuation(3, "", { open = true })
end, { goaway = { "ENHANCE_YOUR_CALM", "PROTOCOL_ERROR" } })
flood("CONTINUATION of 16 KiB", 40, function(i)
  return i == 1 and frames.headers(3, cases.block(), { open = true })
    or frames.continuation(3, ("\0\3abc\1b"):rep(2000), { open = true })
end, { goaway = { "ENHANCE_YOUR_CALM", "PROTOCOL_ERROR", "COMPRESSION_ERROR" } })
flood("a stream beyond the limit", 1000, function(i)
  return head(nil, { stream = 1 + 2 * i, method = "POST", open_end = true })
end, { answer = cases.HELD })

return cases
