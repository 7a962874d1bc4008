-- asking - lb with a script that talks to somebody: for the specs of lb.tcp and lb.http.
--
--   asking.start(body, options)   lb whose choose does `body` for each request, with ctx and
--                                 backends; what `body` returns is the answer, as words:
--                                 "nil closed: by the peer"
--     options: top (lines before the script's table), settings (inside of it), backends, env,
--              may_fail, peers. "$NAME" in the script is the address of options.peers.NAME
--   asking.answer(lb, path)       the body that lb answers with
--   asking.worker(lb)             the pid of its one worker;  asking.workers(lb): of all
--   asking.descriptors(pid), descriptors_at_rest(pid)
--                                 how many it has open
--   asking.no_errors(lb)          no hook has failed

local assert = require "luassert"
local uv = require "luv"
local play = require "spec.support.play"

local asking = {}

local SCRIPT = [[
%s
local function shown(...)
  local words = {}
  for i = 1, select("#", ...) do words[i] = tostring((select(i, ...))) end
  return table.concat(words, " ")
end

local function ask(ctx, backends)
%s
end

return {
  health = { interval = 0.2, timeout = 5 }, %s
  choose = function(ctx, backends) return ctx:respond { body = shown(ask(ctx, backends)) } end,
}
]]

function asking.start(body, options)
  options = options or {}
  local script = SCRIPT:format(options.top or "", body, options.settings or "")
  for name, peer in pairs(options.peers or {}) do
    local address = type(peer) == "table" and peer.address or peer
    script = script:gsub("%$" .. name, (address:gsub("%%", "%%%%")))
  end
  return play.balancer {
    script = script, backends = options.backends or { play.hello "one" }, env = options.env,
    may_fail = options.may_fail, args = options.args,
  }
end

function asking.answer(lb, path, options)
  local response = lb:fetch(path or "/", options)
  assert.equal(200, response.status)
  return response.body
end

function asking.workers(lb)
  local workers = {}
  for _, pid in ipairs(lb:children()) do
    local file = io.open(("/proc/%d/comm"):format(pid))
    local name = file and file:read "*a" or ""
    if file then file:close() end
    if name:find "worker" then workers[#workers + 1] = pid end
  end
  return workers
end

function asking.worker(lb) return assert(asking.workers(lb)[1], "lb has no worker") end

function asking.descriptors(pid)
  local count = 0
  local directory = assert(uv.fs_scandir(("/proc/%d/fd"):format(pid)))
  while uv.fs_scandir_next(directory) do count = count + 1 end
  return count
end

-- The same when the connections of earlier clients are closed.
function asking.descriptors_at_rest(pid) return play.until_still(function() return asking.descriptors(pid) end) end

function asking.no_errors(lb) assert.same({}, lb:events "policy_error") end

return asking
