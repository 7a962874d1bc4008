-- limits.per_client: connections of one address, over all workers.
local play = require "spec.support.play"
local reloading = require "spec.support.reloading"
local uv = require "luv"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

local function limit(n, more)
  return reloading.answering("hello", ("limits = { per_client = %d }, %s"):format(n, more or ""))
end

local function start(text, options)
  options = options or {}
  options.script, options.workers = text, options.workers or 4
  return play.balancer(options)
end

-- A connection whose first request is answered, so that its worker has counted it; and the status.
local function enter(lb, from)
  local client = play.client(lb.address, { from = from })
  client:send(GET)
  return client, client:response().status
end

-- n connections that are let in.
local function fill(lb, n, from)
  local clients = {}
  for i = 1, n do
    local client, status = enter(lb, from)
    assert.equal(200, status, ("connection %d"):format(i))
    clients[i] = client
  end
  return clients
end

local function refused(lb, from)
  local client, status = enter(lb, from)
  assert.equal(429, status)
  assert.truthy(client:ended_by_peer())
end

-- Somebody's leaving is seen when lb reads it: the next one comes in within moments.
local function let_in(lb, from)
  return play.wait("a place", function()
    local client, status = enter(lb, from)
    if status == 200 then return client end
    client:close()
  end)
end

describe("limits.per_client", function()
  after_each(play.curtain)

  it("lets in so many over all workers, and answers 429 to one more until one has left", function()
    local lb = start(limit(12))
    local clients = fill(lb, 12)
    for _ = 1, 8 do refused(lb) end
    fill(lb, 12, "127.0.0.2") -- another address has as many
    for _ = 1, 3 do
      table.remove(clients):close()
      clients[#clients + 1] = let_in(lb)
      refused(lb)
    end
    for _, client in ipairs(clients) do -- who was let in was not disturbed
      client:send(GET)
      assert.equal(200, client:response().status)
    end
  end)

  it("answers as it answers everything else that it refuses, with a line in the log and an event", function()
    local backend = play.answering(function() return "x" end)
    local lb = play.balancer { backends = { backend }, settings = "limits = { per_client = 1 }," }
    fill(lb, 1)
    local client = play.client(lb)
    client:send "POST /some HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\nContent-Length: 5\r\n\r\nhello"
    local response = client:response()
    assert.equal(429, response.status)
    assert.equal("close", response:field "connection")
    assert.is_nil(response:field "retry-after")
    assert.truthy(response.body:find("limits.per_client", 1, true))
    assert.equal("end", client:ended_by_peer())
    local line = lb:exchange { status = 429 }
    assert.equal("/some", line.path)
    assert.equal("more connections than limits.per_client", line.note)
    local event = lb:event("client_refused", { client = "127.0.0.1" })
    assert.equal(1, event.limit)
    assert.equal(1, event.refused)
    assert.equal(1, #backend.requests)
  end)

  it("knows a client of IPv4 on a socket that serves both, and one of IPv6", function()
    local lb = start(limit(2), { listen = "[::]:0" })
    local v4, v6 = { address = "127.0.0.1:" .. lb.port }, { address = "[::1]:" .. lb.port }
    fill(v4, 2)
    fill(v6, 2)
    refused(v4)
    lb:event("client_refused", { client = "127.0.0.1" })
    refused(v6)
  end)

  it("does not wait long for the request of a connection that is refused", function()
    local lb = start(limit(1), { workers = 1 })
    fill(lb, 1)
    local silent, slow = play.client(lb), play.client(lb)
    slow:send "GET / HT"
    assert.equal("end", silent:ended_by_peer())
    assert.equal(408, slow:response().status)
  end)

  it("lets only some connections wait to be refused, and ends the others at once", function()
    local lb = start(limit(1), { workers = 1 })
    fill(lb, 1)
    local silent = {}
    play.wait("one to be reset", function()
      local client = play.connect(lb.address)
      silent[#silent + 1] = client
      return not client or silent[#silent - 1] and silent[#silent - 1].ended == "reset"
    end)
    assert.truthy(#silent >= 64)
    for _, client in ipairs(silent) do client:ended_by_peer() end
    refused(lb) -- they have made room
  end)

  it("counts no client twice or for too long, however many come and go", function()
    local lb = start(limit(4))
    local clients = fill(lb, 4)
    for i = 1, 60 do
      table.remove(clients, i % 4 + 1):close()
      clients[4] = let_in(lb)
      if i % 10 == 0 then refused(lb) end
    end
  end)

  it("gives back what a worker had that died", function()
    local lb = start(limit(12), { may_lose_workers = true })
    local clients = fill(lb, 12)
    refused(lb)
    local ended = 0
    uv.kill(lb:children()[1], "sigkill") -- there are no backends, and so no monitor
    lb:event "worker_died"
    play.wait("another worker", function() return #lb:children() == 4 end)
    for i, client in ipairs(clients) do
      if client.ended then
        ended = ended + 1
        clients[i] = let_in(lb)
      end
    end
    assert.truthy(ended < 12)
    refused(lb)
    local workers = lb:children() -- as of now: the list changes while they die
    for i = 1, 3 do uv.kill(workers[i], "sigkill") end
    lb:event("worker_died", nil, 4)
    play.wait("other workers", function() return #lb:children() == 4 end)
    for _, client in ipairs(clients) do client:close() end
    for i = 1, 12 do clients[i] = let_in(lb) end
    refused(lb)
  end)

  it("does not hold for trusted proxies, which speak for many", function()
    local lb = start(limit(2, "trusted_proxies = '127.0.0.2',"))
    fill(lb, 2)
    refused(lb)
    fill(lb, 10, "127.0.0.2")
    fill(lb, 2, "127.0.0.3")
    refused(lb, "127.0.0.3")
  end)

  it("is another after a reload, also for connections that were there before there was one", function()
    local lb, say = reloading.start(reloading.answering("hello"), { workers = 4 })
    local clients = fill(lb, 4)
    local function now(n, more)
      assert.equal("reload", say(limit(n, more)).event)
      return lb
    end
    now(4)
    refused(lb)
    now(6)
    for _ = 1, 2 do clients[#clients + 1] = enter(lb) end
    refused(lb)
    now(3) -- nobody is thrown out
    for _, client in ipairs(clients) do
      client:send(GET)
      assert.equal(200, client:response().status)
    end
    for _ = 1, 3 do table.remove(clients):close() end
    refused(lb)
    table.remove(clients):close()
    clients[#clients + 1] = let_in(lb)
    refused(lb)
    now(3, "trusted_proxies = '127.0.0.1',")
    fill(lb, 5)
    assert.equal("reload", say(reloading.answering("hello")).event)
    fill(lb, 10)
    fill(lb, 10, "127.0.0.2")
  end)
end)
