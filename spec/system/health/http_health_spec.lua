-- Checks by HTTP: what the backend sees, and what of its answers counts.

local play = require "spec.support.play"

local QUICK = 'health = { type = "http", path = "/healthz", interval = 0.1, timeout = 1 }'

local function until_gone(conn) play.wait("the check to be over", function() return conn.ended end) end

-- A backend with a script for its checks, which may change while it runs;
-- other requests get its name.
local function checked(script, options)
  local backend
  options = options or {}
  options.serve = function(conn)
    while true do
      local request = conn:request()
      if request:field "user-agent" ~= "lb-health" then
        table.insert(backend.requests, request)
        conn:send(play.text(backend.who))
      else
        table.insert(backend.checks, request)
        backend.script(conn)
        if conn.ended then return end
      end
    end
  end
  backend = play.backend(options)
  backend.checks, backend.script = {}, script
  return backend
end

local function answer(bytes)
  return function(conn) conn:send(bytes) until_gone(conn) end
end

local function status(line, fields)
  return answer(("HTTP/1.1 %s\r\nContent-Length: 0\r\n%s\r\n"):format(line, fields or ""))
end

local function open_connections(backend)
  return play.until_still(function() return #backend:connections() end)
end

describe("a health check by HTTP", function()
  after_each(play.curtain)

  local function seen_by(options, settings)
    local bytes
    options.serve = function(conn)
      play.wait("a whole request", function() return conn.ended or conn:peek():find("\r\n\r\n", 1, true) end)
      bytes = bytes or conn:peek()
      conn:send(play.text "fine")
      until_gone(conn)
    end
    local backend = play.backend(options)
    local address = options.name_of and options.name_of(backend) or backend.address
    local lb = play.balancer { backends = { address }, settings = settings }
    assert.equal("status 200", lb:up(address).reason)
    return bytes, backend
  end

  local REQUEST = "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: lb-health\r\nConnection: close\r\nAccept: */*\r\n\r\n"

  it("asks for / with the backend's address as its Host, if no setting overrides them", function()
    local bytes, backend = seen_by({}, 'health = { type = "http" }')
    assert.equal(REQUEST:format("/", backend.address), bytes)
  end)

  it("asks for `path` with `host`", function()
    local bytes = seen_by({}, 'health = { type = "http", path = "/a/health?deep=1", host = "app.test:8080" }')
    assert.equal(REQUEST:format("/a/health?deep=1", "app.test:8080"), bytes)
  end)

  it("names a backend with a name by its name", function()
    local name
    local bytes = seen_by({ name_of = function(backend)
      name = "localhost:" .. backend.port
      return name
    end }, QUICK)
    assert.equal(REQUEST:format("/healthz", name), bytes)
  end)

  it("asks a unix socket, as localhost", function()
    local bytes = seen_by({ path = play.directory() .. "/socket" }, QUICK)
    assert.equal(REQUEST:format("/healthz", "localhost"), bytes)
  end)

  it("finds a backend down from the start that accepts but answers 503: it gets no request", function()
    local sick, well = checked(status "503 Service Unavailable"), checked(status "200 OK")
    local lb = play.balancer { backends = { sick, well }, settings = QUICK }
    for _ = 1, 4 do assert.equal(well.who, lb:fetch("/").body) end
    assert.equal("status 503", lb:down(sick).reason)
    assert.same({}, sick.requests)
    for _, line in ipairs(lb:exchanges()) do assert.equal(1, #line.tries) end
  end)

  it("takes a backend out after `fall` answers and back after `rise`", function()
    local backend, other = checked(status "200 OK"), checked(status "200 OK")
    local lb = play.balancer { backends = { backend, other }, settings = [[
      health = { type = "http", path = "/healthz", interval = 0.1, timeout = 5, rise = 3, fall = 4 },
    ]] }
    assert.equal(200, lb:fetch("/").status)
    local bad, good = 0, 0
    local sick, well = status "500 Internal Server Error", status "204 No Content"
    backend.script = function(conn) bad = bad + 1 sick(conn) end
    assert.equal("status 500", lb:down(backend).reason)
    assert.truthy(bad >= 4, bad)
    for _ = 1, 4 do assert.equal(other.who, lb:fetch("/").body) end
    backend.script = function(conn) good = good + 1 well(conn) end
    assert.equal("status 204", lb:up(backend).reason)
    assert.truthy(good >= 3, good)
    assert.equal(200, lb:fetch("/").status)
  end)

  it("takes every status of `status`, and no other", function()
    for _, case in ipairs {
      { '"2xx"', { [200] = true, [204] = true, [299] = true, [301] = false, [404] = false, [599] = false } },
      { '404', { [404] = true, [200] = false, [403] = false, [405] = false } },
      { '{ 200, 429, "3xx" }', {
        [200] = true, [429] = true, [302] = true, [399] = true, [204] = false, [400] = false,
      } },
    } do
      local setting, expected = unpack(case)
      local backends, list = {}, {}
      for code, up in pairs(expected) do
        local backend = checked(status(code .. " Whatever"))
        backends[backend], list[#list + 1] = { code, up }, backend
      end
      local lb = play.balancer {
        backends = list, name = "lb " .. setting,
        settings = ('health = { type = "http", interval = 60, timeout = 2, status = %s }'):format(setting),
      }
      for backend, wanted in pairs(backends) do
        local event = wanted[2] and lb:up(backend) or lb:down(backend)
        assert.equal("status " .. wanted[1], event.reason)
      end
    end
  end)

  it("follows no redirect", function()
    local elsewhere = play.hello "elsewhere"
    local backend = checked(status("302 Found", "Location: http://" .. elsewhere.address .. "/\r\n"))
    local lb = play.balancer { backends = { backend }, settings = QUICK }
    assert.equal("status 302", lb:down(backend).reason)
    play.wait("some checks", function() return #backend.checks >= 4 end)
    assert.equal(0, elsewhere.accepted)
    for _, request in ipairs(backend.checks) do assert.equal("/healthz", request.target) end
  end)

  for what, interim in pairs {
    ["chunks and a length"] = "HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
    ["two lengths"] = "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
  } do
    it("goes by the final answer behind an interim one with " .. what, function()
      local backend = checked(answer(interim .. "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
      local lb = play.balancer { backends = { backend }, settings = QUICK }
      assert.equal("status 200", lb:up(backend.address).reason)
      assert.same({}, lb:events "backend_down")
    end)
  end

  it("waits for the answer behind interim ones", function()
    local backend = checked(answer(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"))
    local lb = play.balancer { backends = { backend }, settings = QUICK }
    assert.equal("status 200", lb:up(backend).reason)
    assert.equal(200, lb:fetch("/").status)
  end)

  it("reads the head however it is cut, from a 1.0 server too", function()
    local head = "HTTP/1.0 200 fine\r\nServer: old\r\n\r\n"
    local backend = checked(function(conn)
      for i = 1, #head do
        conn:send(head:sub(i, i))
        conn:drained()
        play.pause(0)
      end
    end)
    local lb = play.balancer { backends = { backend }, settings = 'health = { type = "http", timeout = 3 }' }
    assert.equal("status 200", lb:up(backend).reason)
  end)

  it("does not wait for the body", function()
    local backend = checked(answer "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nthe first few bytes")
    local lb = play.balancer { backends = { backend }, settings = 'health = { type = "http", timeout = 600 }' }
    assert.equal("status 200", lb:up(backend).reason)
    assert.equal(0, open_connections(backend))
  end)

  it("has a connection for itself, and ends it each time", function()
    local backend = checked(answer(play.text "fine"))
    local lb = play.balancer { backends = { backend }, settings = QUICK }
    local client = play.client(lb)
    for i = 1, 6 do
      play.wait("another check", function() return #backend.checks >= i end)
      client:send "GET /traffic HTTP/1.1\r\nHost: x\r\n\r\n"
      assert.equal(backend.who, client:response().body)
    end
    play.wait("one connection only", function() return #backend:connections() == 1 end)
    assert.equal(#backend.checks + 1, backend.served)
    assert.equal(backend.served, backend.accepted)
  end)

  it("is not what requests go by in between: three that meet a dead port take it out", function()
    local backend = checked(status "200 OK")
    local lb = play.balancer { backends = { backend }, settings = [[
      health = { type = "http", path = "/healthz", interval = 1, timeout = 5, fall = 50 },
    ]] }
    assert.equal(200, lb:fetch("/").status)
    backend:stop()
    for _ = 1, 3 do assert.equal(503, lb:fetch("/").status) end
    assert.equal("connection refused", lb:down(backend).reason)
    backend:start()
    assert.equal("status 200", lb:up(backend).reason)
    assert.equal(200, lb:fetch("/").status)
  end)
end)

describe("a backend that accepts, and to a check by HTTP", function()
  after_each(play.curtain)

  local function endlessly(first, piece, seconds)
    return function(conn)
      conn:send(first)
      while not conn.ended and not conn.broken do
        conn:send(piece)
        conn:drained()
        play.pause(seconds or 0)
      end
    end
  end

  local SILENT, NOT_HTTP = "no response within 1 s", "not an HTTP response"
  local LARGE, CUT = "a response head beyond the limits", "closed in the middle of the response"

  for behaviour, case in pairs {
    ["says nothing"] = { until_gone, SILENT },
    ["says a byte at a time"] = { endlessly("HTTP/1.1 200 OK\r\nX: ", "x", 0.05), SILENT },
    ["says half a head"] = { answer "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", SILENT },
    ["sends a head without an end"] = { endlessly("HTTP/1.1 200 OK\r\nX: ", ("x"):rep(8192)), LARGE },
    ["sends fields without an end"] = { endlessly("HTTP/1.1 200 OK\r\n", ("A: b\r\n"):rep(50)), LARGE },
    ["sends a reason without an end"] = { endlessly("HTTP/1.1 200 ", ("x"):rep(8192)), LARGE },
    ["sends interim responses without an end"] = { endlessly("", ("HTTP/1.1 103 Hm\r\n\r\n"):rep(100)), LARGE },
    ["sends an interim response now and then"] = { endlessly("", "HTTP/1.1 100 Continue\r\n\r\n", 0.05), SILENT },
    ["speaks another protocol"] = { answer "SSH-2.0-OpenSSH_9.2p1\r\n", NOT_HTTP },
    ["speaks TLS"] = { answer "\21\3\1\0\2\2\70", NOT_HTTP },
    ["sends a body without a head"] = { answer "<html>fine</html>", NOT_HTTP },
    ["speaks HTTP/2"] = { answer "\0\0\18\4\0\0\0\0\0\0\3\0\0\0\128\0\4\0\1\0\0\0\5\0\255\255\255", NOT_HTTP },
    ["claims a version that there is not"] = { status "200 OK", NOT_HTTP, version = "HTTP/3.1" },
    ["sends an odd status"] = { answer "HTTP/1.1 099 Hm\r\n\r\n", NOT_HTTP },
    ["sends lines that end in a line feed only"] = { answer "HTTP/1.1 200 OK\nA: b\n\n", NOT_HTTP },
    ["sends a NUL in a field"] = { answer "HTTP/1.1 200 OK\r\nA: \0\r\n\r\n", NOT_HTTP },
    ["gives two lengths"] = {
      answer "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", NOT_HTTP,
    },
    ["gives a length and chunks"] = {
      answer "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", NOT_HTTP,
    },
    ["switches protocols"] = {
      answer "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "status 101",
    },
    ["closes"] = { function(conn) conn:close() end, "closed before a response" },
    ["ends its side"] = { function(conn) conn:finish() until_gone(conn) end, "closed before a response" },
    ["resets"] = { function(conn) conn:reset() end, "closed before a response: connection reset by peer" },
    ["closes in the middle of the head"] = {
      function(conn) conn:send "HTTP/1.1 200 OK\r\nA:" conn:drained() conn:close() end, CUT,
    },
    ["closes after an interim response"] = {
      function(conn) conn:send "HTTP/1.1 100 Continue\r\n\r\n" conn:drained() conn:close() end, CUT,
    },
  } do
    local script, reason = unpack(case)
    if case.version then script = answer(case.version .. " 200 OK\r\n\r\n") end

    it(behaviour .. " is down, and up when it answers well", function()
      local backend, other = checked(script), checked(status "200 OK")
      local lb = play.balancer { backends = { backend, other }, settings = QUICK }
      assert.equal(other.who, lb:fetch("/").body)
      assert.equal(reason, lb:down(backend).reason)
      assert.equal(1, #lb:events("backend_down", { backend = backend.address }))

      backend.script = status "200 OK"
      assert.equal("status 200", lb:up(backend).reason)
      assert.same({}, lb:events("backend_down", { backend = other.address }))
      play.wait("every check to have ended", function() return #backend:connections() == 0 end)
    end)
  end

  it("says nothing delays no check of another, and takes no more of the monitor each time", function()
    local silent, other = checked(until_gone), checked(status "200 OK")
    local lb = play.balancer { backends = { silent, other }, settings = QUICK }
    lb:down(silent)
    lb:up(other)

    local function descriptors()
      local count = 0
      for _, pid in ipairs(lb:children()) do
        local scan = require("luv").fs_scandir(("/proc/%d/fd"):format(pid))
        while scan and require("luv").fs_scandir_next(scan) do count = count + 1 end
      end
      return count
    end

    local most, others = 0, #other.checks
    local function watch(checks) -- of the silent one
      checks = #silent.checks + checks
      play.wait("some more checks", function()
        most = math.max(most, descriptors())
        return #silent.checks >= checks
      end)
    end
    watch(4)
    assert.truthy(#other.checks - others >= 8, #other.checks - others)
    local first = most
    watch(8)
    -- Two checks at once may be seen late.
    assert.truthy(most - first <= 2, most - first)
    assert.truthy(#silent:connections() <= 1)
  end)
end)
