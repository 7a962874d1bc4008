-- The admin listener and clients that send what they like, and leave when they like. A longer run:
-- ADMIN_FUZZ=60 (seconds), SEED=2.
local uv = require "luv"
local admin = require "spec.support.admin"
local play = require "spec.support.play"
local wire = require "spec.support.wire"

local SEED, SECONDS = tonumber(os.getenv "SEED" or "1"), tonumber(os.getenv "ADMIN_FUZZ" or "0")
local LEAST, LANES = 400, 16

local JSON = "Host: lb\r\nContent-Type: application/json\r\n"
local function post(target, body)
  return ("POST %s HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s"):format(target, JSON, #body, body)
end

local MODELS = {
  "GET /live HTTP/1.1\r\nHost: lb\r\n\r\n", "GET /state?part=backends HTTP/1.1\r\nHost: lb\r\n\r\n",
  "GET /values?prefix=k%2F HTTP/1.1\r\nHost: lb\r\n\r\n", "GET / HTTP/1.1\r\nHost: lb\r\n\r\n",
  "GET /metrics HTTP/1.1\r\nHost: lb\r\nAccept: application/openmetrics-text; version=1.0.0\r\n\r\n",
  "GET /decisions?last=9&status=5xx&slower_ms=1.5&retried=1 HTTP/1.1\r\nHost: lb\r\n\r\n",
  "GET /backends/a%20b HTTP/1.0\r\n\r\n", "HEAD /ready HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
  "GET /events?last=20 HTTP/1.1\r\nHost: lb\r\n\r\n", "GET /status HTTP/1.1\r\nHost: lb\r\nConnection: close\r\n\r\n",
  post("/backends/a/drain", '{"why":"x\\u00e4\\n"}'), post("/backends/a/drain?wait_s=0.01", "{}"),
  post("/backends/a/weight", '{"weight":12,"why":"y"}'), post("/backends/a/eject", '{"seconds":1e0}'),
  post("/log", '{"level":"info","seconds":1}'), post("/counters/c", '{"add":-3}'),
  "PUT /values/k HTTP/1.1\r\n" .. JSON .. "Transfer-Encoding: chunked\r\n\r\n"
    .. "5\r\n{\"val\r\n9\r\nue\":true}\r\n0\r\n\r\n",
  "DELETE /values/k%2F HTTP/1.1\r\nOrigin: http://lb\r\n" .. JSON .. "\r\n",
}

local BYTES = {
  "\r\n", "\0", "%", "{", "}", '"', "\\", ":", " ", "\t", "\255", "/", "?", "&", "0", "-", "chunked", ("A"):rep(5000),
}

local function mutated(text)
  for _ = 1, math.random(0, 4) do
    local at, kind = math.random(1, #text + 1), math.random(1, 5)
    if kind == 1 then
      text = text:sub(1, at - 1) .. BYTES[math.random(#BYTES)] .. text:sub(at)
    elseif kind == 2 then
      text = text:sub(1, at - 1) .. text:sub(at + math.random(1, 8))
    elseif kind == 3 then
      text = text:sub(1, at - 1) .. string.char(math.random(0, 255)) .. text:sub(at + 1)
    elseif kind == 4 then
      text = text .. MODELS[math.random(#MODELS)]
    else
      text = text:sub(1, at) .. text:sub(math.random(1, #text))
    end
  end
  return text
end

local function admin_process(lb)
  for _, pid in ipairs(lb:children()) do
    local file = io.open(("/proc/%d/comm"):format(pid))
    local comm = file and file:read "*a"
    if file then file:close() end
    if comm == "lb admin\n" then return pid end
  end
end

describe("the admin listener", function()
  after_each(play.curtain)

  it("survives what clients make up", function()
    local backend = play.hello "x"
    local list = "backends = { { name = 'a', address = %q }, { name = 'a b', address = %q } }"
    local lb = admin.balancer { settings = list:format(backend.address, backend.address) }
    lb:event "backend_up"
    local before = play.wait("the process", function() return admin_process(lb) end)
    math.randomseed(SEED)
    local until_s, count = play.now() + SECONDS, 0
    while count < LEAST or play.now() < until_s do
      local lanes = {}
      for i = 1, LANES do
        lanes[i] = assert(wire.connect(lb.admin))
        lanes[i].on_bytes = function() end
        local text = mutated(MODELS[math.random(#MODELS)])
        local cut = math.random(0, #text)
        lanes[i]:send(text:sub(1, cut))
        lanes[i]:send(text:sub(cut + 1))
        count = count + 1
      end
      assert.equal(200, (admin.get(lb, "/live")))
      for i = 1, LANES do lanes[i][math.random(2) == 1 and "close" or "reset"](lanes[i]) end
      wire.clear()
    end
    assert.equal(before, admin_process(lb))
    assert.equal(200, lb:fetch("/").status)
    assert.is_true(uv.kill(before, 0) == 0)
  end)
end)
