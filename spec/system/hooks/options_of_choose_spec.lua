-- What choose may return behind a backend, as clients, backends and the log see it.
local play = require "spec.support.play"

local GET = "GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
local QUICK = "health = { interval = 60, timeout = 5 },"

local function script(options, more)
  return ("return {\n%s\n%s\nchoose = function(ctx, backends)\nreturn backends[1], %s\nend,\n}\n"):format(
    QUICK, more or "", options)
end

describe("the options of choose", function()
  after_each(play.curtain)

  describe("request_headers", function()
    it("set and remove fields of what the backend gets, byte for byte", function()
      local bytes
      local backend = play.backend(function(conn)
        local lines = {}
        repeat lines[#lines + 1] = conn:line() until lines[#lines] == ""
        bytes = table.concat(lines, "\r\n")
        conn:send(play.text "ok")
      end)
      local lb = play.balancer { backends = { backend }, script = script [[{ request_headers = {
        ["X-User"] = "anna", Cookie = false, ["X-Many"] = { "1", 2 }, ["X-Forwarded-For"] = false } }]] }
      local client = play.client(lb)
      client:send "GET / HTTP/1.1\r\nHost: x\r\nx_user: root\r\nCookie: a=1\r\nX-User: root\r\nA: 1\r\n\r\n"
      assert.equal("ok", client:response().body)
      local ours = bytes:match "^GET / HTTP/1%.1\r\nHost: x\r\nA: 1\r\n(.-)X%-Forwarded%-Proto: http\r\n"
      assert.truthy(ours, bytes)
      assert.truthy(ours == "X-User: anna\r\nX-Many: 1\r\nX-Many: 2\r\n"
        or ours == "X-Many: 1\r\nX-Many: 2\r\nX-User: anna\r\n", bytes)
    end)

    it("do not change what ctx.headers says, and leave the body and its framing alone", function()
      local backend = play.answering(function(request)
        return request.body .. " " .. request:field "x-seen" .. " " .. request:field "content-length"
      end)
      local lb = play.balancer { backends = { backend }, script = script [[{ request_headers = {
        ["X-Seen"] = ctx.headers["x-seen"] .. "2" } }]] }
      local client = play.client(lb)
      for _ = 1, 2 do
        client:send "POST / HTTP/1.1\r\nHost: x\r\nX-Seen: 1\r\nContent-Length: 5\r\n\r\nhello"
        assert.equal("hello 12 5", client:response().body)
      end
    end)

    it("come from the attempt's own choose", function()
      local closed = play.unused_port()
      local backend = play.answering(function(request)
        return ("%s %s %s"):format(request.target, request:field "x-a" or "none", request:field "x-b" or "none")
      end)
      local lb = play.balancer { backends = { "127.0.0.1:" .. closed, backend }, script = ([[return {
        %s
        choose = function(ctx, backends)
          if ctx.attempts == 1 then return backends.all[1], { path = "/other", request_headers = { ["X-A"] = "1" } } end
          return backends.all[2], ctx.path == "/b" and { request_headers = { ["X-B"] = "2" } } or nil
        end,
        on_failure = function() return "next" end,
      }]]):format(QUICK) }
      assert.equal("/a none none", lb:fetch("/a").body)
      assert.equal("/b none 2", lb:fetch("/b").body)
    end)
  end)

  it("are not mixed up when several calls await at once", function()
    local backend = play.answering(function(request) return request:field "x-path" .. " " .. request.target end)
    local lb = play.balancer { backends = { backend }, script = script(
      "{ request_headers = { ['X-Path'] = ctx.path }, path = '/to' .. ctx.path }"):gsub("return backends",
      "lb.sleep(0.05) return backends") }
    local clients = {}
    for i = 1, 8 do
      clients[i] = play.client(lb)
      clients[i]:send(GET:format("/" .. i))
    end
    for i = 1, 8 do assert.equal(("/%d /to/%d"):format(i, i), clients[i]:response().body) end
  end)

  describe("response_headers", function()
    it("set and remove fields of the final response only", function()
      local backend = play.backend(function(conn)
        while conn:request() do
          conn:send("HTTP/1.1 103 Early Hints\r\nX-A: early\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX-A: backend\r\nServer: secret\r\n",
            "Set-Cookie: app=1\r\nDate: then\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-A: trailer\r\n\r\n")
        end
      end)
      local lb = play.balancer { backends = { backend }, script = script [[{ response_headers = {
        ["X-A"] = "script", Server = false, ["Set-Cookie"] = "lb=2" } }]] }
      local client = play.client(lb)
      client:send(GET:format "/")
      local early = client:head()
      assert.equal("early", early:field "x-a")
      local response = client:response()
      assert.equal("ok", response.body)
      assert.same({ "script" }, response:values "x-a")
      assert.same({ "app=1", "lb=2" }, response:values "set-cookie")
      assert.is_nil(response:field "server")
      assert.same({ { "X-A", "trailer" } }, response.trailers)
    end)

    it("are there for HEAD and for 304, and take no framing away", function()
      local backend = play.backend(function(conn)
        while true do
          local request = conn:request()
          if not request then return end
          conn:send(request.method == "HEAD" and "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"
            or "HTTP/1.1 304 Not Modified\r\nETag: a\r\n\r\n")
        end
      end)
      local lb = play.balancer { backends = { backend }, script = script [[{ response_headers = { ["X-A"] = "1" } }]] }
      local client = play.client(lb)
      client:send "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"
      local response = client:response "HEAD"
      assert.equal("1 7", response:field "x-a" .. " " .. response:field "content-length")
      client:send(GET:format "/")
      response = client:response()
      assert.equal("HTTP/1.1 304 Not Modified", response.first)
      assert.equal("1", response:field "x-a")
    end)

    it("are not on lb's own answers", function()
      local lb = play.balancer { backends = { "127.0.0.1:" .. play.unused_port() },
        script = script([[{ response_headers = { ["X-A"] = "1" } }]], "limits = { attempts = 1 },") }
      local response = lb:fetch "/"
      assert.equal(503, response.status)
      assert.is_nil(response:field "x-a")
    end)
  end)

  describe("host and path", function()
    local function sees(options, target)
      local backend = play.answering(function(request)
        return ("%s %s %s"):format(request.target, request:field "host", request:field "x-forwarded-host")
      end)
      local lb = play.balancer { backends = { backend }, script = script(options) }
      local body = lb:fetch(target).body
      return body, lb:exchange()
    end

    it("are what the backend sees; the log keeps what the client sent", function()
      local body, line = sees([[{ host = "tenant.internal", path = "/v2" .. ctx.path }]], "/a?b=c")
      assert.truthy(body:find "^/v2/a%?b=c tenant%.internal example%.test$", body)
      assert.equal("/a?b=c", line.target or line.path)
    end)

    it("bring a query of their own", function()
      assert.truthy(sees([[{ path = "/x?own=1" }]], "/a?b=c"):find "^/x%?own=1 ")
    end)

    it("are obeyed for OPTIONS *, too, and an asterisk in place of a path leaves that one", function()
      local backend = play.answering(function(request) return request.target end)
      local lb = play.balancer { backends = { backend }, script = script [[
        { path = ctx.headers.path or ctx.path:gsub("^/api", "") }]] }
      local client = play.client(lb)
      local function asks(target, path)
        client:send(("OPTIONS %s HTTP/1.1\r\nHost: x\r\n"):format(target), path and "Path: " .. path .. "\r\n" or "",
          "\r\n")
        return client:response().body
      end
      assert.equal("*", asks "*")
      assert.equal("*", asks "http://x")
      assert.equal("/all", asks("*", "/all"))
      assert.equal("/a", asks "/api/a")
      assert.same({}, lb:events "policy_error")
      assert.equal("/api/*", asks("/api/*", "*"))
      assert.truthy(lb:event("policy_error").message:find('path = "*", expected "/.."', 1, true))
    end)

    it("drop a query by an empty one", function()
      assert.truthy(sees([[{ path = "/x?" }]], "/a?b=c"):find "^/x%? ")
    end)
  end)

  describe("timeouts and deadline", function()
    local function answers(options, more)
      local backend = play.backend(function(conn)
        conn:request()
        conn:ended_by_peer()
      end)
      local lb = play.balancer { backends = { backend }, script = script(options, more) }
      local status = lb:fetch("/").status
      return status, lb:exchange()
    end

    it("end a wait for a response's head", function()
      assert.equal(504, (answers("{ timeouts = { response_head = 0.05 } }", "limits = { attempts = 1 },")))
    end)

    it("end a response that stops", function()
      local backend = play.backend(function(conn)
        conn:request()
        conn:send "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"
        conn:ended_by_peer()
      end)
      local lb = play.balancer { backends = { backend }, script = script "{ timeouts = { response_body = 0.05 } }" }
      assert.is_false(lb:fetch("/").complete)
      assert.truthy(lb:exchange().note:find "response_body")
    end)

    it("end a connect", function()
      local hole = play.blackhole()
      hole:fill()
      local lb = play.balancer { backends = { hole.address },
        script = script("{ timeouts = { connect = 0.05 } }", "limits = { attempts = 1 }, timeouts = { connect = 60 },"),
      }
      assert.equal(503, lb:fetch("/").status)
    end)

    it("end all tries together", function()
      local status, line = answers "{ deadline = 0.05 }"
      assert.equal(504, status)
      assert.equal("the script's deadline", line.note)
    end)

    it("cannot be put off by the next choose", function()
      local two = {}
      for i = 1, 2 do
        two[i] = play.backend(function(conn)
          conn:request()
          conn:ended_by_peer()
        end)
      end
      local lb = play.balancer { backends = two, script = script([[{ deadline = ctx.attempts == 1 and 0.3 or 60,
        timeouts = { response_head = ctx.attempts == 1 and 0.05 or 60 } }]]) }
      assert.equal(504, lb:fetch("/").status)
      assert.equal(2, lb:exchange().attempts)
    end)

    it("do not put off timeouts.request", function()
      local status, line = answers("{ deadline = 60 }", "timeouts = { request = 0.05 },")
      assert.equal(504, status)
      assert.equal("timeouts.request", line.note)
    end)
  end)

  describe("that are wrong leave the request to round robin, with a text", function()
    local function says(options, text)
      it(options, function()
        local backend = play.answering(function(request)
          return request.target .. " " .. request:field "host" .. " " .. (request:field "x-b" or "none")
        end)
        local lb = play.balancer { backends = { backend }, script = script(options) }
        assert.truthy(lb:fetch("/a", { host = "x" }).body:find "^/a [^ ]+ none$")
        local event = lb:event "policy_error"
        assert.truthy(event.message:find(text, 1, true), event.message)
        assert.equal("answer", event.kind)
      end)
    end

    says("{ hots = 'a' }", "choose returned a backend and the unknown option 'hots', did you mean 'host'?")
    says("{ timeouts = { conect = 1 } }", "the unknown timeout 'conect', did you mean 'connect'?")
    says("{ timeouts = 5 }", "timeouts = 5, expected a table")
    says("{ deadline = '5' }", "deadline = \"5\", expected seconds from 0.001 to 86400")
    says("{ deadline = 0 }", "deadline = 0, expected seconds")
    says("{ deadline = 0/0 }", "expected seconds")
    says("{ timeouts = { connect = -1 } }", "timeouts.connect = -1, expected seconds")
    says("{ why = 5 }", "why = 5, expected a text")
    says("{ host = 'a b' }", "host = \"a b\", expected")
    says("{ host = 'a\\r\\nX: y' }", "host = ")
    says("{ path = 'a' }", "path = \"a\", expected \"/..\"")
    says("{ path = '/a b' }", "without spaces")
    says("{ path = '/a HTTP/1.1\\r\\nX-B: y\\r\\n' }", "path = ")
    says("{ path = '/\\195\\188' }", "path = ")
    says("{ request_headers = { ['x-b'] = 'a\\r\\nb: c' } }", "a line end or another control byte in 'x-b'")
    says("{ request_headers = { ['x-b'] = true } }", "'x-b' = a boolean")
    says("{ request_headers = { ['x-b'] = {} } }", "'x-b' = an empty list")
    says("{ request_headers = { ['x-b'] = { false } } }", "request_headers with 'x-b'")
    says("{ request_headers = { ['x b'] = 'a' } }", "'x b', which is no header's name")
    says("{ request_headers = { 'a' } }", "request_headers with the key 1")
    says("{ request_headers = { ['transfer-encoding'] = 'chunked' } }", "which is set by lb itself")
    says("{ request_headers = { ['Content-Length'] = false } }", "which is set by lb itself")
    says("{ request_headers = { Content_Length = 5 } }", "which is set by lb itself")
    says("{ request_headers = { HOST = 'a' } }", "the option host says another")
    says("{ request_headers = { ['x-b'] = ('x'):rep(70000) } }", "has no room left")
    says("{ response_headers = { Connection = 'close' } }", "which is set by lb itself")
    says("{ response_headers = 'a' }", "response_headers = \"a\", expected a table")
    says("'why'", "a backend and \"why\", expected options as a table")
  end)
end)
