-- player - plays a case through any proxy, and waits until nothing more comes of it.
--
--   player.play(case, proxy, backend)   in a coroutine; what was seen on both sides, as
--                                       conformance.play gives it

local loop = require "spec.support.loop"
local messages = require "spec.support.messages"
local tap = require "spec.support.tap"

local player = {}

local QUIET = 0.5       -- seconds without a byte, and nothing more will come
local GRACE = 0.03      -- when all that is wanted has come
local CAREFUL = 0.2     -- ..., and it should have been refused: what stands behind it may come, too
local LOST = 2          -- for a canary

local canaries = 0

-- A number that changes with whatever happens.
local function progress(client, backend)
  local ended = client.ended and 1 or 0
  for _, conn in ipairs(backend:connections()) do ended = ended + (conn.ended and 1 or 0) end
  return client:length() * 1e6 + #backend:text() * 10 + ended
end

local function answers_in(text)
  local count, at = 0, 1
  while at <= #text do
    local message = messages.next(text, at)
    if not message or not message.complete then break end
    if (message.status or 200) >= 200 then count = count + 1 end
    at = message.stop
  end
  return count
end

-- As many answers as lb gives, and an end where it ends.
local function is_served(case, client, wanted)
  if client.ended then return true end
  if case.keeps == false or case.cut or not case.keeps and case.refused then return false end
  local answers = wanted.client and answers_in(wanted.client[1]) or 0
  return answers_in(client:text()) >= math.max(1, answers + (case.refused and 1 or 0))
end

local function settle(case, client, backend, wanted, is_sending)
  local before, since = progress(client, backend), loop.now()
  loop.wait("it to settle", function()
    local now = progress(client, backend)
    if now ~= before then before, since = now, loop.now() end
    local served = not is_sending() and is_served(case, client, wanted)
    local enough = not served and QUIET or case.refused and not client.ended and CAREFUL or GRACE
    return loop.now() - since > enough * loop.slow
  end)
end

local function canary(client, backend)
  canaries = canaries + 1
  local target = ("/canary-peer-%d"):format(canaries)
  local from = client:length() + 1
  backend:mark()
  client:send(("GET %s HTTP/1.1\r\nHost: canary.test\r\n\r\n"):format(target))
  local deadline = loop.now() + LOST * loop.slow
  loop.wait("the canary's answer", function()
    return client.ended or answers_in(client:text(from)) > 0 or loop.now() > deadline
  end)
  return { target = target, client = client:text(from), client_end = client.ended }
end

function player.play(case, proxy, backend, wanted)
  local client, sending = tap.connect(proxy.address, "client"), true
  backend:begin(case, client)
  loop.go(function()
    client:play(case.send, nil, function() return backend:text() end)
    sending = false
  end)
  settle(case, client, backend, wanted, function() return sending end)
  local seen = {
    client = client:text(), client_end = client.ended, backend = backend:text(), canaries = {}, proxy = proxy.name,
  }
  if case.keeps and not client.ended and is_served(case, client, wanted) then
    seen.canaries[1] = canary(client, backend)
  end
  local other = tap.connect(proxy.address, "canary")
  table.insert(seen.canaries, canary(other, backend))
  other:close()
  client:close()
  return seen
end

return player
