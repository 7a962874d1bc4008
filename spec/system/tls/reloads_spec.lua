-- Certificates change again and again under load, then lb drains: no request is lost.
-- RELOADS=100 for more of them.
local authority = require "spec.support.authority"
local play = require "spec.support.play"
local read = require("spec.support.files").read
local reloading = require "spec.support.reloading"
local tls = require "spec.support.tls"

local RELOADS = tonumber(os.getenv "RELOADS" or 20)
local GET = "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"
local RUN = 500 -- requests, over 8 connections that are new

local function replace(path, text)
  local file = assert(io.open(path .. ".new", "w"))
  file:write(text)
  file:close()
  assert(os.rename(path .. ".new", path))
end

-- h2load again and again, until stop: how many requests were sent, and succeeded.
local function load_on(address)
  local load = { sent = 0, good = 0 }
  local stops, is_over

  function load.stop()
    stops = true
    play.wait("h2load to end", function() return is_over end)
  end

  play.beside(function()
    while not stops do
      local said = play.run {
        "h2load", "--h1", "-n", tostring(RUN), "-c", "8", "-t", "1", "https://" .. address .. "/", seconds = 60,
      }
      load.sent, load.good = load.sent + RUN, load.good + tonumber(said.out:match "(%d+) 2xx" or 0)
    end
    is_over = true
  end)
  return load
end

-- /slow takes half a second: such requests are under way when lb drains.
local SCRIPT = [[
local slow = lb.counter "slow"
return {
  health = { interval = 5 }, listen = { { "127.0.0.1:0", tls = true } }, tls = { certificates = %q },
  choose = function(ctx)
    if ctx.path == "/count" then return ctx:respond { body = tostring(slow:get()) } end
    if ctx.path == "/slow" then
      slow:add(1)
      lb.sleep(0.5)
    end
    return ctx:respond { body = "hello" }
  end,
}]]

local function asks(client, path)
  client:send((GET:gsub("/", path or "/", 1)))
  return client:response().body
end

describe("certificates that change under load", function()
  after_each(function()
    tls.clear()
    play.curtain()
  end)

  it(("cost no request in %d reloads, and none when lb drains"):format(RELOADS), function()
    local texts = {}
    for i = 0, 1 do
      texts[i] = read(authority.make { names = { "shop.example" }, common_name = "number " .. i }.both)
    end
    local path = play.file("shop.pem", texts[0])
    local lb, say = reloading.start(SCRIPT:format(path), { listen = false, workers = 2 })
    local kept, load = {}, load_on(lb.address)
    for i = 1, 4 do kept[i] = tls.client(lb, { name = "shop.example" }) end
    local session
    for i = 1, RELOADS do
      replace(path, texts[i % 2])
      assert.same({ "reload", "tls" }, { say().event, lb:events("reload")[i].changed })
      local client = tls.client(lb, { name = "shop.example", session = session })
      assert.equal(session ~= nil, tls.said(client).resumed)
      assert.same({ "hello", "hello" }, { asks(client), asks(kept[i % 4 + 1]) })
      session = tls.session(client)
      client:close()
      local fresh = tls.client(lb, { name = "shop.example" })
      assert.equal("/CN=number " .. i % 2, tls.said(fresh).certificate)
      fresh:close()
    end
    load.stop()
    assert.equal(load.sent, load.good)
    assert.truthy(load.sent >= RUN)

    local watcher = tls.client(lb)
    for _, client in ipairs(kept) do client:send((GET:gsub("/", "/slow", 1))) end
    play.wait("all to be under way", function() return asks(watcher, "/count") == tostring(#kept) end)
    lb:signal "sigterm"
    for _, client in ipairs(kept) do
      local response = client:response()
      assert.same({ "hello", "close" }, { response.body, response:field "Connection" })
      assert.equal("end", client:ended_by_peer())
      assert.is_true(tls.was_told(client))
    end
    lb:wait_exit(20)
  end)
end)
