-- limits.memory: what clients make a worker hold has a bound, and who holds most ends first.
local play = require "spec.support.play"

local MIB = 2 ^ 20
local LARGE = ("y"):rep(60000)

-- A request with a large head and a large body that never ends, at a backend that never answers.
local function large(more)
  return ("POST /never HTTP/1.1\r\nHost: x\r\n%sContent-Length: 1000000\r\nX-Large: %s\r\n\r\n%s"):format(
    more or "", LARGE, LARGE)
end

local function patient()
  return play.backend(function(conn)
    while true do
      local request = conn:request()
      if not request then return end
      if request.target == "/never" then
        conn:rest()
        return
      end
      conn:send "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    end
  end)
end

local function served(client, target)
  client:send(("GET %s HTTP/1.1\r\nHost: x\r\n\r\n"):format(target or "/"))
  return client:response().status
end

-- A client that asks now and then. To make room lb may close its connection while it is idle; then
-- it opens another one and asks again, as clients do. It never gets an answer other than 200, and
-- none of its requests is cut: lb would log those.
local function asking_innocently(lb)
  local client = play.client(lb)
  return function()
    for _ = 1, 5 do
      local is_there, status = pcall(served, client, "/innocent")
      if is_there then return status end
      if not client.ended then error(status, 0) end
      client = play.client(lb)
    end
    return "closed five times"
  end
end

local function no_innocent_lost(lb)
  for _, line in ipairs(lb:exchanges()) do
    if line.path == "/innocent" then assert.equal(200, line.status) end
  end
end

-- A sanitizer keeps for a while what is freed, and has much of its own.
local SANITIZED = os.getenv "ASAN_OPTIONS"

local function assert_grown(kib, most)
  if not SANITIZED then assert.is_true(kib < most, kib .. " KiB") end
end

describe("limits.memory", function()
  after_each(play.curtain)

  local function crowd(lb, n, text)
    local clients = {}
    for i = 1, n do
      clients[i] = play.client(lb)
      clients[i]:send(text)
    end
    return clients
  end

  it("ends the requests that hold most, with a 503, and nobody else's", function()
    local lb = play.balancer { backends = { patient() }, settings = [[
      limits = { memory = 16 * 1024 * 1024 },
      -- On a busy machine this takes minutes.
      timeouts = { response_head = 600, request_body = 600 },]] }
    local innocent, small = asking_innocently(lb), play.client(lb)
    assert.equal(200, innocent())
    small:send "GET /never HTTP/1.1\r\nHost: x\r\n\r\n"
    local before = play.memory(lb)
    crowd(lb, 400, large())
    assert.equal(503, lb:exchange({ status = 503, note = "limits.memory" }).status)
    assert.equal(16 * MIB, lb:event("memory_full").limit)
    for _ = 1, 20 do assert.equal(200, innocent()) end
    no_innocent_lost(lb)
    assert_grown(play.memory(lb) - before, 32 * 1024)
    assert.equal(0, small.size)
    assert.is_nil(small.ended)
  end)

  it("holds for heads that are never whole, too", function()
    local lb = play.balancer { backends = { patient() }, settings = "limits = { memory = 16 * 1024 * 1024 }," }
    local innocent = asking_innocently(lb)
    assert.equal(200, innocent())
    crowd(lb, 400, "GET / HTTP/1.1\r\nHost: x\r\nX-Large: " .. LARGE)
    lb:exchange { status = 503, note = "limits.memory" }
    for _ = 1, 20 do assert.equal(200, innocent()) end
    no_innocent_lost(lb)
  end)

  it("counts a head once: the one for the backend is made to be written, and not kept", function()
    local backend = patient()
    local lb = play.balancer { backends = { backend } }
    assert.equal(200, served(play.client(lb)))
    local before = play.memory(lb)
    crowd(lb, 100, "GET /never HTTP/1.1\r\nHost: x\r\nX-Large: " .. LARGE .. "\r\n\r\n")
    play.wait("all heads to be there", function() return backend.served >= 100 end, 60)
    assert_grown(play.memory(lb) - before, 100 * 90)
  end)

  it("follows from what a process may have, and no client can make a worker end", function()
    if SANITIZED then return end
    local lb = play.balancer { backends = { patient() }, through = { "prlimit", "--data=" .. 64 * MIB },
      settings = "script = { memory = 16 * 1024 * 1024 }, timeouts = { response_head = 600, request_body = 600 }," }
    assert.equal(32 * MIB, lb:event("start").memory)
    local innocent = asking_innocently(lb)
    assert.equal(200, innocent())
    crowd(lb, 700, large())
    lb:exchange { status = 503, note = "limits.memory" }
    for _ = 1, 20 do assert.equal(200, innocent()) end
    no_innocent_lost(lb)
  end)

  it("leaves a quarter to connections of scripts", function()
    local lb = play.balancer { backends = { patient() }, script = ([[
      local large = ("x"):rep(5 * 1024 * 1024)
      return {
        limits = { memory = 16 * 1024 * 1024 }, script = { budget_ms = 2000 },
        choose = function(ctx)
          local _, why = lb.http.post("http://%s/", { body = large })
          return ctx:respond { body = why }
        end,
      }]]):format(play.hello("x").address) }
    assert.equal("limit: the connections of scripts hold too many bytes", lb:fetch("/").body)
  end)

  it("is known to be short beforehand: no copy of a body is kept, and no request read ahead", function()
    local resets, seen = 0, 0
    local backend = play.backend(function(conn)
      local request = conn:request()
      if request.target == "/hold" then
        conn:rest()
        return
      end
      seen = seen + 1
      if seen == 1 then
        resets = resets + 1
        conn:reset()
        return
      end
      conn:send "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    end)
    local lb = play.balancer { backends = { backend }, settings = "limits = { memory = 16 * 1024 * 1024 }," }
    crowd(lb, 190, "GET /hold HTTP/1.1\r\nHost: x\r\nX-Large: " .. LARGE .. "\r\n\r\n")
    play.wait("all heads to be there", function() return backend.served >= 190 end, 60)
    local answer = lb:fetch("/", { method = "PUT", body = "12345", may_fail = true })
    assert.equal(502, answer.status)
    assert.equal(1, resets)
    assert.equal(0, #lb:events "memory_full")
  end)
end)
