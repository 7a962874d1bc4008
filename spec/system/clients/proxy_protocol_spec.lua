-- listen = { { address, proxy = true } }: every connection begins with a PROXY
-- header, which names its client.
local asking = require "spec.support.asking"
local play = require "spec.support.play"
local reloading = require "spec.support.reloading"

local PROXY, OTHER = "127.0.0.2", "127.0.0.3"
local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
local V1 = "PROXY TCP4 203.0.113.9 198.51.100.1 56324 443\r\n"
local SIGNATURE = "\r\n\r\n\0\r\nQUIT\n"
local V4 = "\203\0\113\9\198\51\100\1\220\4\1\187"
local V2 = SIGNATURE .. "\33\17\0\12" .. V4
local V2_TLVS = SIGNATURE .. "\33\17\0\25" .. V4 .. "\2\0\4shop" .. "\4\0\3\0\0\0"
local V6 = SIGNATURE .. "\33\33\0\36" .. "\32\1\13\184\0\0\0\7" .. ("\0"):rep(7) .. "\1" .. ("\0"):rep(16) ..
  "\220\4\1\187"
local LOCAL = SIGNATURE .. "\32\0\0\0"
local UNIX = SIGNATURE .. "\33\49\0\216" .. ("\0"):rep(216)

local SETTINGS = "health = { interval = 0.2, timeout = 5 }, listen = { { '127.0.0.1:0', proxy = true } }, " ..
  "trusted_proxies = '" .. PROXY .. "', "
local SAYS = [[choose = function(ctx)
  return ctx:respond { body = table.concat({ ctx.client_ip, ctx.client_port, ctx.client, ctx.listener }, " ") }
end,]]

describe("a listener with proxy = true", function()
  after_each(play.curtain)

  local function start(settings, options)
    options = options or {}
    options.script, options.listen = "return { " .. SETTINGS .. (settings or SAYS) .. " }", false
    return play.balancer(options)
  end

  local function from(lb, address) return play.client(lb, { from = address or PROXY }) end

  local function ask(lb, header, request)
    local client = from(lb)
    client:send(header, request or GET)
    return client:response(), client
  end

  local function refused(lb, bytes, address)
    local client = from(lb, address)
    if bytes then client:send(bytes) end
    client:ended_by_peer()
    assert.equal(0, client.size)
  end

  for what, case in pairs {
    ["version 1"] = { V1, "203.0.113.9 56324 203.0.113.9 127.0.0.1:0" },
    ["version 2"] = { V2, "203.0.113.9 56324 203.0.113.9 127.0.0.1:0" },
    ["version 2 with TLVs"] = { V2_TLVS, "203.0.113.9 56324 203.0.113.9 127.0.0.1:0" },
    ["version 2 of IPv6"] = { V6, "2001:db8:0:7::1 56324 2001:db8:0:7::/64 127.0.0.1:0" },
  } do
    local header, says = unpack(case)

    it("has the client that a header of " .. what .. " names", function()
      local lb = start()
      local response, client = ask(lb, header)
      assert.equal(says, response.body)
      client:send(GET) -- the header is of the whole connection
      assert.equal(says, client:response().body)
      local line = lb:exchange()
      assert.equal(says, ("%s %d %s 127.0.0.1:0"):format(line.client, line.client_port, says:match "%S+ %S+ (%S+)"))
      assert.equal(0, #lb:events "proxy_refused")
    end)

    it("takes a header of " .. what .. " byte by byte, and what stands right behind it", function()
      local lb = start()
      local client = from(lb)
      for at = 1, #header do
        client:send(header:sub(at, at))
        client:drained()
        if at % 7 == 0 then play.pause(0.002) end
      end
      client:send(GET)
      assert.equal(says, client:response().body)
      for cut = 1, #header - 1, 5 do
        local other = from(lb)
        other:send(header:sub(1, cut))
        other:drained()
        play.pause(0.002)
        other:send(header:sub(cut + 1), GET, GET)
        assert.equal(says, other:response().body)
        assert.equal(says, other:response().body)
        other:close()
      end
    end)
  end

  for what, header in pairs { UNKNOWN = "PROXY UNKNOWN\r\n", LOCAL = LOCAL, ["a unix socket"] = UNIX } do
    it("keeps the peer for " .. what .. ", and believes nothing that it says of others", function()
      local backend = play.hello "x"
      local lb = start("", { backends = { backend } })
      local client = from(lb)
      client:send(header, "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.7\r\n\r\n")
      assert.equal(200, client:response().status)
      assert.equal(PROXY, backend.requests[1]:field "x-forwarded-for")
      local line = lb:exchange()
      assert.equal(PROXY, line.client)
      assert.is_true(line.client_port > 0)
    end)
  end

  it("drops what a client says of others, as its header names it", function()
    local backend = play.hello "x"
    local lb = start("forwarded = true,", { backends = { backend } })
    ask(lb, V1, "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\n" ..
      "Forwarded: for=198.51.100.7\r\n\r\n")
    local seen = backend.requests[1]
    assert.same({ "203.0.113.9" }, seen:values "x-forwarded-for")
    assert.same({ "http" }, seen:values "x-forwarded-proto")
    assert.same({ "for=203.0.113.9;host=x;proto=http" }, seen:values "forwarded")
  end)

  it("believes a proxy behind the one in front, if that is trusted, too", function()
    local backend = play.hello "x"
    local lb = play.balancer { backends = { backend }, listen = false,
      script = "return { health = { interval = 0.2, timeout = 5 }, listen = { { '127.0.0.1:0', proxy = true } }, " ..
        "trusted_proxies = { '127.0.0.2', '203.0.113.9' } }" }
    ask(lb, V1, "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.7\r\n\r\n")
    assert.equal("198.51.100.7, 203.0.113.9", backend.requests[1]:field "x-forwarded-for")
    assert.equal("198.51.100.7", lb:exchange().client)
  end)

  it("passes the body that comes with the header, and right behind it", function()
    local backend = play.answering(function(request) return request.body end)
    local lb = start("", { backends = { backend } })
    local body = ("0123456789"):rep(30000)
    local post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
    assert.equal(body, ask(lb, V2, post).body)
    local client = from(lb)
    client:send(V2:sub(1, 20))
    client:drained()
    play.pause(0.01)
    client:send(V2:sub(21), post, GET)
    assert.equal(body, client:response().body)
    assert.equal(200, client:response().status)
  end)

  it("serves nobody whose address is not in trusted_proxies, and says so once in a while", function()
    local lb = start()
    for _ = 1, 3 do refused(lb, nil, OTHER) end
    refused(lb, V1 .. GET, OTHER)
    local event = lb:event("proxy_refused", { client = OTHER })
    assert.equal("its address is not in trusted_proxies", event.why)
    assert.equal("127.0.0.1:0", event.listener)
    assert.equal(1, event.refused)
    assert.equal(1, #lb:events "proxy_refused")
    assert.equal(200, ask(lb, V1).status)
    lb:exchange { status = 200 }
    assert.equal(1, #lb:exchanges())
  end)

  for what, case in pairs {
    ["a request"] = { GET, "no PROXY header" },
    ["a TLS handshake"] = { "\22\3\1\2\0\1\0\1\252\3\3", "no PROXY header" },
    ["a header that is malformed"] = { "PROXY TCP4 nobody", "a malformed PROXY header of version 1" },
    ["a header that is too long"] = { SIGNATURE .. "\33\17\2\9", "a PROXY header that is longer than 536 bytes" },
    ["a second header behind it"] = { V1 .. V1, nil },
  } do
    it("does not answer " .. what, function()
      local lb = start()
      if case[2] then
        refused(lb, case[1])
        assert.equal(case[2], lb:event("proxy_refused", { client = PROXY }).why)
        assert.equal(0, #lb:exchanges())
      else
        assert.equal(400, ask(lb, case[1]).status) -- it is the client who has sent that one
      end
    end)
  end

  it("lets go of a client that leaves before, within or right behind the header", function()
    local lb = start()
    from(lb):finish() -- is anybody there? It is no fault
    for length = 1, #V2 - 1, 6 do
      local client = from(lb)
      client:send(V2:sub(1, length))
      client:finish()
      client:ended_by_peer()
      assert.equal(0, client.size)
    end
    local event = lb:event "proxy_refused"
    assert.equal("it ended within its PROXY header", event.why)
    assert.equal(1, event.refused)
    for _, leave in ipairs { "finish", "reset" } do
      local client = from(lb)
      client:send(V2)
      client:drained()
      client[leave](client)
      if leave == "finish" then client:ended_by_peer() end
    end
    local client = from(lb)
    client:send(V2, GET)
    client:finish() -- it waits for the answer
    assert.equal(200, client:response().status)
  end)

  it("waits 5 s for the header, and then as long as for any first request", function()
    local lb = start("timeouts = { request_head = 60 }, " .. SAYS)
    local silent, half, named = from(lb), from(lb), from(lb)
    half:send(V2:sub(1, 9))
    named:send(V2)
    local took = play.timed(function()
      silent:ended_by_peer()
      half:ended_by_peer()
    end)
    assert.is_true(took > 4, took)
    lb:event("proxy_refused", { why = "no PROXY header came within 5 s" })
    assert.is_nil(named.ended)
    named:send(GET)
    assert.equal(200, named:response().status)
  end)

  it("counts whom the header names for limits.per_client", function()
    local lb = start("limits = { per_client = 2 }, " .. SAYS)
    local kept = {}
    for i = 1, 2 do
      local response, client = ask(lb, V1)
      assert.equal(200, response.status)
      kept[i] = client
    end
    local response, client = ask(lb, V1)
    assert.equal(429, response.status)
    client:ended_by_peer()
    for _ = 1, 3 do
      local other
      response, other = ask(lb, V6)
      assert.equal(200, response.status)
      other:close()
      lb:exchange({ client = "2001:db8:0:7::1" })
      play.wait("its place", function()
        local again, one = ask(lb, V6)
        one:close()
        return again.status == 200
      end)
    end
    for _ = 1, 5 do assert.equal(200, ask(lb, LOCAL).status) end -- the proxy itself speaks for many
    lb:event("client_refused", { client = "203.0.113.9" })
    table.remove(kept):close()
    play.wait("a place", function()
      local again, one = ask(lb, V1)
      one:close()
      return again.status == 200
    end)
  end)

  it("gives up a client that has sent half a header, as if it had sent nothing, before an idle client", function()
    local lb = start("limits = { connections = 2 }, " .. SAYS)
    local _, idle = ask(lb, V1)
    local pid = asking.worker(lb)
    local before = asking.descriptors(pid)
    local half = from(lb)
    half:send(V1:sub(1, 20))
    play.wait("it to be accepted", function() return asking.descriptors(pid) > before end)
    play.pause(0.5) -- who has come just now is not given up
    assert.equal(200, ask(lb, V1).status)
    half:ended_by_peer()
    assert.is_nil(idle.ended)
  end)

  it("is named in the start line and in lb check; other listeners next to it are plain", function()
    local script = "return { health = { interval = 0.2, timeout = 5 }, " ..
      "listen = { '127.0.0.1:0', { 'localhost:0', proxy = true } }, trusted_proxies = '127.0.0.2', " .. SAYS .. "}"
    local lb = play.balancer { script = script, listen = false }
    assert.is_nil(lb:event("listening", nil, 1).proxy)
    local proxied = lb:event("listening", nil, 2)
    assert.is_true(proxied.proxy)
    assert.truthy(proxied.message:find "PROXY")
    local plain = play.client(lb.address, { from = PROXY })
    plain:send(V1, GET)
    assert.equal(400, plain:response().status)
    assert.truthy(lb:exchange({ status = 400 }).note:find("proxy = true", 1, true))
    local client = play.client(proxied.address, { from = PROXY })
    client:send(V1, GET)
    assert.equal("203.0.113.9 56324 203.0.113.9 localhost:0", client:response().body)
    local checked = play.lb { "check", play.file("checked.lua", script) }
    assert.truthy(checked.out:find('listen = { "127.0.0.1:0", { "localhost:0", proxy = true } }', 1, true))
  end)

  it("stays one over a reload, and another one is a change of listen", function()
    local lb, say = reloading.start("return { " .. SETTINGS .. SAYS .. " }", { listen = false })
    assert.equal("reload", say("return { " .. SETTINGS .. "trace = true, " .. SAYS .. " }").event)
    assert.equal(0, #lb:events "reload_kept")
    assert.equal(200, ask(lb, V1).status)
    say("return { " .. SETTINGS:gsub(", proxy = true", "") .. SAYS .. " }")
    assert.equal("listen", lb:event("reload_kept").kept)
    assert.equal("203.0.113.9 56324 203.0.113.9 127.0.0.1:0", ask(lb, V1).body)
    say("return { " .. SETTINGS:gsub("127%.0%.0%.2", "127.0.0.3") .. SAYS .. " }")
    refused(lb, V1)
  end)

  it("ends in peace while some headers are not complete", function()
    local lb = start()
    local half = from(lb)
    half:send(V1:sub(1, 20))
    half:drained()
    local _, idle = ask(lb, V1)
    lb:signal "sigterm"
    half:ended_by_peer()
    idle:ended_by_peer()
    assert.equal(0, lb:wait_exit().code)
    assert.equal(0, #lb:events "proxy_refused") -- it was not too late, lb was
  end)
end)
