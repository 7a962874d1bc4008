-- gRPC is a property of a request: errors that its client can read, a deadline over all tries, and
-- its status for scripts and the log. Over HTTP/1.1, as that does not depend on the wire;
-- spec/system/h2 has real clients.
local play = require "spec.support.play"

local CALL = "POST /shop.Cart/Add HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc\r\nTE: trailers\r\n"
local BODY = "Content-Length: 5\r\n\r\n\0\0\0\0\0"

local function silent(seen)
  return play.backend(function(conn)
    seen[#seen + 1] = conn:request()
    conn:ended_by_peer()
  end)
end

-- An answer with a body, and its status in the trailers.
local function answering(status)
  return play.backend(function(conn)
    while true do
      conn:request()
      conn:send("HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n",
        "5\r\n\0\0\0\0\0\r\n0\r\ngrpc-status: ", status, "\r\n\r\n")
    end
  end)
end

-- Nothing but a head.
local function refusing(status)
  return play.backend(function(conn)
    while true do
      conn:request()
      conn:send("HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\ngrpc-status: ", status,
        "\r\ngrpc-message: busy\r\nContent-Length: 0\r\n\r\n")
    end
  end)
end

local QUIET = "health = { interval = 60, timeout = 5 },"
local CHOOSE = "choose = function(ctx, backends) return lb.policy.round_robin(ctx, backends) end,"

local function nobody() return { address = "127.0.0.1:" .. play.unused_port() } end

local function balancer(backends, members)
  return play.balancer { backends = backends,
    script = "return {\n" .. QUIET .. "\n" .. (members or CHOOSE) .. "\n}" }
end

local function call(lb, fields, line)
  local client = play.client(lb)
  client:send((line and CALL:gsub("^[^\r]*", line) or CALL), fields or "", BODY)
  return client:response()
end

describe("to a gRPC call an error of lb", function()
  after_each(play.curtain)

  it("is a head that its client can read, and the log has both statuses", function()
    local lb = balancer { nobody() }
    local response = call(lb)
    assert.equal(200, response.status)
    assert.equal("application/grpc", response:field "content-type")
    assert.equal("14", response:field "grpc-status")
    assert.equal("Service Unavailable", response:field "grpc-message")
    assert.equal("", response.body)
    local line = lb:exchange { path = "/shop.Cart/Add" }
    assert.same({ 503, 14 }, { line.status, line.grpc_status })
  end)

  it("of the script has its status in gRPC's words, and its text as the message", function()
    local lb = balancer({ nobody() },
      "choose = function(ctx) return ctx:respond { status = 403, body = 'no cart for you, 100%\\n' } end,")
    local response = call(lb)
    assert.equal(200, response.status)
    assert.equal("7", response:field "grpc-status")
    assert.equal("no cart for you, 100%25", response:field "grpc-message")
    assert.equal(403, lb:exchange({ path = "/shop.Cart/Add" }).status)
  end)

  it("keeps a grpc-status that the script gives", function()
    local lb = balancer({ nobody() },
      "choose = function(ctx) return ctx:respond { status = 429, headers = { ['grpc-status'] = '5' } } end,")
    assert.equal("5", call(lb):field "grpc-status")
  end)

  it("is a page like any other where the request is none", function()
    local lb = balancer { nobody() }
    local client = play.client(lb)
    client:send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc-web\r\n", BODY)
    local response = client:response()
    assert.equal(503, response.status)
    assert.is_nil(response:field "grpc-status")
    assert.is_nil(lb:exchange({ path = "/a" }).grpc_status)
  end)
end)

describe("the grpc-timeout of a call", function()
  after_each(play.curtain)

  it("ends it, over all tries, and each try is told what is left", function()
    local seen = {}
    local lb = balancer({ silent(seen), silent(seen) }, "timeouts = { request = 60, response_head = 0.2 }, "
      .. "choose = function(ctx, backends) ctx:allow_replay() return backends[1] end,")
    local response = call(lb, "grpc-timeout: 350m\r\n")
    assert.equal("4", response:field "grpc-status")
    local line = lb:exchange { path = "/shop.Cart/Add" }
    assert.same({ 504, 4, "grpc-timeout" }, { line.status, line.grpc_status, line.note })
    local left = {}
    for i, request in ipairs(seen) do
      local digits = request:field("grpc-timeout"):match "^(%d+)m$"
      left[i] = tonumber(digits)
    end
    assert.is_true(left[1] <= 350)
    assert.equal(2, #left)
    for i = 2, #left do assert.is_true(left[i] <= left[i - 1] - 150, table.concat(left, " ")) end
  end)

  it("is not sent where the client gave none, and is the script's if that sets it", function()
    local seen = {}
    local lb = balancer({ silent(seen) }, "timeouts = { request = 0.2 }, choose = function(_, backends) "
      .. "return backends[1], { request_headers = { ['grpc-timeout'] = '7S' } } end,")
    call(lb, "grpc-timeout: 100S\r\n")
    assert.equal("7S", seen[1]:field "grpc-timeout")
    assert.equal("timeouts.request", lb:exchange({ path = "/shop.Cart/Add" }).note)
    seen = {}
    lb = balancer({ silent(seen) }, CHOOSE .. "timeouts = { request = 0.2 },")
    call(lb)
    assert.is_nil(seen[1]:field "grpc-timeout")
  end)

  it("that is none is passed on, and ends nothing", function()
    local seen = {}
    local lb = balancer({ silent(seen) }, CHOOSE .. "timeouts = { request = 0.2 },")
    call(lb, "grpc-timeout: soon\r\n")
    assert.equal("soon", seen[1]:field "grpc-timeout")
    assert.equal("timeouts.request", lb:exchange({ path = "/shop.Cart/Add" }).note)
  end)
end)

describe("the status of a gRPC call", function()
  after_each(play.curtain)

  it("is in the log and in on_done, from trailers as from a head", function()
    local lb = balancer({ answering "5" }, CHOOSE .. "on_done = function(ctx) "
      .. "lb.log.info('done ' .. tostring(ctx.result.grpc_status) .. ' ' .. ctx.grpc.method) end,")
    assert.equal(200, call(lb).status)
    assert.equal(5, lb:exchange({ path = "/shop.Cart/Add" }).grpc_status)
    assert.truthy(lb:event("script", { message = "done 5 Add" }))
    lb = balancer({ refusing "8" })
    assert.equal("8", call(lb):field "grpc-status")
    assert.equal(8, lb:exchange({ path = "/shop.Cart/Add" }).grpc_status)
  end)

  it("is res.grpc_status where the answer is a head only, so that on_response may try again", function()
    local lb = balancer({ refusing "14", answering "0" }, [[
      choose = function(ctx, backends) ctx:allow_replay() return backends[1] end,
      on_response = function(ctx, backend, res)
        lb.log.info("status " .. tostring(res.grpc_status))
        if res.grpc_status == 14 then return "next" end
      end,]])
    assert.same({ { "grpc-status", "0" } }, call(lb).trailers)
    local line = lb:exchange { path = "/shop.Cart/Add" }
    assert.same({ 0, 2 }, { line.grpc_status, line.attempts })
    assert.truthy(lb:event("script", { message = "status 14" }))
    assert.truthy(lb:event("script", { message = "status nil" }))
  end)
end)

describe("ctx.grpc", function()
  after_each(play.curtain)

  local TELL = [[
    choose = function(ctx)
      local grpc = ctx.grpc
      return ctx:respond { body = grpc and ("%s %s %s"):format(grpc.service, grpc.method, grpc.timeout) or "none" }
    end,]]

  it("has service, method and timeout", function()
    local lb = balancer({ nobody() }, TELL)
    assert.equal("shop.Cart Add 1.5", call(lb, "grpc-timeout: 1500m\r\n").body)
    assert.equal("shop.Cart Add nil", call(lb).body)
    assert.equal("nil nil nil", call(lb, "", "POST /Add HTTP/1.1").body)
  end)

  it("is nil for any other request", function()
    assert.equal("none", balancer({ nobody() }, TELL):fetch("/").body)
  end)
end)
