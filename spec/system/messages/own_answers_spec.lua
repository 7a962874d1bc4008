-- Replies of lb itself: every status has a body, a date, the right framing and an
-- end that a client can read.
local json = require "dkjson"
local play = require "spec.support.play"

local function silent()
  return play.backend(function(conn)
    conn:request()
    conn:ended_by_peer()
  end)
end

local function nonsense()
  return play.backend(function(conn)
    conn:request()
    conn:send "nonsense\r\n\r\n"
    conn:ended_by_peer()
  end)
end

local function fine() return play.hello "fine" end

local function request(line, fields) return line .. " HTTP/1.1\r\nHost: x\r\n" .. (fields or "") .. "\r\n" end

-- What makes lb answer so. parses: the head is well formed, so Accept and the method count. closes:
-- the connection ends.
local own = {
  [400] = { reason = "Bad Request", backend = fine, closes = true, parses = true,
    send = function(method, fields) return request(method .. " /", "Host: y\r\n" .. fields) end },
  [408] = { reason = "Request Timeout", backend = fine, closes = true, settings = "timeouts = { request_head = 0.1 }",
    send = function() return "GET / HTTP/1.1\r\nHost: x\r\n" end },
  [413] = { reason = "Content Too Large", backend = fine, closes = true, parses = true,
    settings = "limits = { body = 10 }",
    send = function(method, fields) return request(method .. " /", "Content-Length: 9000000\r\n" .. fields) end },
  [414] = { reason = "URI Too Long", backend = fine, closes = true, settings = "limits = { request_line = 100 }",
    send = function() return request("GET /" .. ("a"):rep(100)) end },
  [431] = { reason = "Request Header Fields Too Large", backend = fine, closes = true,
    settings = "limits = { fields = 10 }", send = function() return request("GET /", ("A: b\r\n"):rep(20)) end },
  [500] = { reason = "Internal Server Error", backend = fine, parses = true, choose = "error 'no'",
    settings = "fallback = 'fail'", send = function(method, fields) return request(method .. " /", fields) end },
  [501] = { reason = "Not Implemented", backend = fine, closes = true, parses = true, no_head = true,
    send = function(_, fields) return "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n" .. fields .. "\r\n" end },
  [502] = { reason = "Bad Gateway", backend = nonsense, parses = true,
    send = function(method, fields) return request(method .. " /", fields) end },
  [503] = { reason = "Service Unavailable", parses = true, retry_after = true,
    backend = function() return { address = "127.0.0.1:" .. play.unused_port() } end,
    send = function(method, fields) return request(method .. " /", fields) end },
  [504] = { reason = "Gateway Timeout", backend = silent, parses = true,
    settings = "timeouts = { response_head = 0.1 }",
    send = function(method, fields) return request(method .. " /", fields) end },
  [505] = { reason = "HTTP Version Not Supported", backend = fine, closes = true,
    send = function() return "GET / HTTP/3.0\r\nHost: x\r\n\r\n" end },
}

local function start(status, settings)
  local one = own[status]
  local backend = one.backend()
  local lb = play.balancer {
    backends = { backend },
    script = ("return {\nhealth = { interval = 0.2, timeout = 5 },\n%s\n%s\n%s\n}"):format(
      one.settings and one.settings .. "," or "", settings and settings .. "," or "",
      one.choose and ("choose = function(ctx, backends) %s end"):format(one.choose) or ""),
  }
  return lb, backend
end

-- The answer, and the connection that it came on.
local function provoke(lb, status, method, fields)
  local client = play.client(lb)
  client:send(own[status].send(method or "GET", fields or ""))
  return client:response(method), client
end

local DATE = "^%a%a%a, %d%d %a%a%a %d%d%d%d %d%d:%d%d:%d%d GMT$"

local function check_framing(status, response, client)
  assert.equal(status, response.status)
  assert.equal(own[status].reason, response.reason)
  assert.equal("1.1", response.version)
  assert.same({ "lb" }, response:values "server")
  assert.equal(1, #response:values "date")
  assert.truthy(response:field("date"):match(DATE))
  assert.equal(1, #response:values "content-length")
  assert.is_nil(response:field "transfer-encoding")
  assert.same(own[status].closes and { "close" } or {}, response:values "connection")
  assert.equal(own[status].retry_after, response:field "retry-after" and true)
  if own[status].closes then
    assert.equal("end", client:ended_by_peer())
    assert.equal(0, client.size)
  else
    client:send "GET /again HTTP/1.1\r\nHost: x\r\n\r\n"
    assert.equal(status, client:response().status)
  end
end

local sorted = {}
for status in pairs(own) do sorted[#sorted + 1] = status end
table.sort(sorted)

describe("lb's own", function()
  after_each(play.curtain)

  for _, status in ipairs(sorted) do
    local one = own[status]

    it(status .. " is short, dated, framed, and tells nothing of what is behind it", function()
      local lb, backend = start(status)
      local response, client = provoke(lb, status)
      assert.equal("text/plain; charset=utf-8", response:field "content-type")
      local line = response.body:match "^([^\n]+)\n$"
      assert.truthy(line)
      assert.equal(("%d %s"):format(status, one.reason), line:match "^[^:]+")
      assert.is_true(#line < 120)
      assert.is_nil(response.body:find(backend.address, 1, true))
      assert.is_nil(response.body:find("%d%d%d%d"))
      check_framing(status, response, client)
    end)

    it(status .. " is a page of the settings, if there is one", function()
      local lb = start(status, ("pages = { [%d] = '<p>sorry</p>', [499] = 'x' }"):format(status))
      local response, client = provoke(lb, status, "GET", "Accept: application/json\r\n")
      assert.equal("<p>sorry</p>", response.body)
      assert.same({ "text/html; charset=utf-8" }, response:values "content-type")
      check_framing(status, response, client)
    end)

    it(status .. " has the headers of its page, and the headers of all pages", function()
      local lb = start(status, ([[pages = {
        [%d] = { headers = { ["X-Page"] = "its own", ["cache-control"] = "no-store" } },
        headers = { ["Access-Control-Allow-Origin"] = "*", ["Cache-Control"] = "no-cache" },
      }]]):format(status))
      local response, client = provoke(lb, status)
      assert.equal(status, tonumber(response.body:match "^%d+"))
      assert.same({ "its own" }, response:values "x-page")
      assert.same({ "*" }, response:values "access-control-allow-origin")
      assert.same({ "no-store" }, response:values "cache-control")
      check_framing(status, response, client)
    end)

    it(status .. " may be an empty page", function()
      local lb = start(status, ("pages = { [%d] = '' }"):format(status))
      local response, client = provoke(lb, status)
      assert.equal("", response.body)
      assert.equal("0", response:field "content-length")
      assert.is_nil(response:field "content-type")
      check_framing(status, response, client)
    end)

    if one.parses then
      it(status .. " is JSON for who wants only that", function()
        local lb = start(status)
        local response, client = provoke(lb, status, "GET", "Accept: application/json, text/*;q=0\r\n")
        assert.equal("application/json", response:field "content-type")
        local said = json.decode(response.body)
        assert.equal(status, said.status)
        assert.equal(one.reason, said.error)
        assert.is_true(said.message == nil or #said.message > 0)
        assert.equal("\n", response.body:sub(-1))
        check_framing(status, response, client)
        assert.truthy(provoke(lb, status, "GET", "Accept: application/json, */*\r\n").body:find("^" .. status))
      end)
    end

    if one.parses and not one.no_head then
      it(status .. " tells a HEAD how long its body would be", function()
        local lb = start(status)
        local long = #provoke(lb, status).body
        local response, client = provoke(lb, status, "HEAD")
        assert.equal(tostring(long), response:field "content-length")
        assert.equal(0, client.size)
        check_framing(status, response, client)
      end)

      it(status .. " tells a HEAD how long its page would be", function()
        local lb = start(status, ("pages = { [%d] = { type = 'a/b', body = 'four' } }"):format(status))
        local response, client = provoke(lb, status, "HEAD")
        assert.equal("4", response:field "content-length")
        assert.equal("a/b", response:field "content-type")
        assert.equal(0, client.size)
        check_framing(status, response, client)
      end)
    end
  end

  it("503 says when to come back, by the interval of the checks", function()
    local lb = play.balancer {
      backends = { "127.0.0.1:" .. play.unused_port() }, settings = "health = { interval = 2.1, timeout = 5 }",
    }
    assert.equal("3", lb:fetch("/"):field "retry-after")
  end)

  it("answer keeps the connection of an HTTP/1.0 client that asks for it", function()
    local client = play.client((start(502)))
    for _ = 1, 2 do
      client:send "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
      local response = client:response()
      assert.equal(502, response.status)
      assert.same({ "keep-alive" }, response:values "connection")
    end
    client:send "GET / HTTP/1.0\r\n\r\n"
    assert.same({ "close" }, client:response():values "connection")
    assert.equal("end", client:ended_by_peer())
  end)

  it("413 can be read by a client that is still sending", function()
    local client = play.client((start(413)))
    client:send(own[413].send("POST", ""), ("x"):rep(500000))
    assert.equal(413, client:response().status)
    assert.equal("end", client:ended_by_peer())
  end)

  it("bodies say nothing that the client has sent", function()
    local lb = play.balancer { backends = { fine() } }
    for _, bytes in ipairs {
      "GET /<script> <script> HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: <script>\r\n\r\n",
      "<script> / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\n<script>: x\r\n\r\n",
    } do
      local client = play.client(lb)
      client:send(bytes)
      local response = client:response()
      assert.equal(400, response.status)
      assert.is_nil(response.body:find("script", 1, true))
    end
  end)
end)

describe("an answer of the policy", function()
  after_each(play.curtain)

  local function start_choosing(choose, settings)
    return play.balancer {
      script = ("return { %s choose = function(ctx, backends) %s end }"):format(settings or "", choose),
    }
  end

  it("that rejects has lb's own body", function()
    local lb = start_choosing "return ctx:reject(429, { retry_after = 7, why = 'secret' })"
    local response = lb:fetch "/"
    assert.equal("429 Too Many Requests\n", response.body)
    assert.same({ "text/plain; charset=utf-8" }, response:values "content-type")
    assert.same({ "7" }, response:values "retry-after")
    local said = lb:fetch("/", { fields = "Accept: application/json\r\n" })
    assert.same({ status = 429, error = "Too Many Requests" }, json.decode(said.body))
    assert.same({ "7" }, said:values "retry-after")
  end)

  it("that rejects has the page of its status", function()
    local lb = start_choosing("return ctx:reject(503)", "pages = { [503] = { type = 'text/x', body = 'later' } },")
    local response = lb:fetch "/"
    assert.equal("later", response.body)
    assert.same({ "text/x" }, response:values "content-type")
  end)

  it("with a status that has no name is one all the same", function()
    local response = start_choosing("return ctx:reject(599)"):fetch "/"
    assert.equal(599, response.status)
    assert.equal("599\n", response.body)
  end)

  it("with a body of its own keeps it", function()
    local lb = start_choosing("return ctx:respond { status = 404, body = 'mine' }", "pages = { [404] = 'yours' },")
    assert.equal("mine", lb:fetch("/").body)
  end)

  it("with a type and no body keeps that", function()
    local lb = start_choosing("return ctx:respond { status = 404, headers = { ['Content-Type'] = 'a/b' } }",
      "pages = { [404] = 'yours' },")
    local response = lb:fetch "/"
    assert.equal("", response.body)
    assert.equal("0", response:field "content-length")
    assert.same({ "a/b" }, response:values "content-type")
  end)

  it("that is an error without anything has the page, and its fields", function()
    local lb = start_choosing("return ctx:respond { status = 404, headers = { ['X-Mine'] = 'yes' } }",
      "pages = { [404] = 'ours' },")
    local response = lb:fetch "/"
    assert.equal("ours", response.body)
    assert.equal("yes", response:field "x-mine")
  end)

  it("that is an error has the headers of the pages, but its own fields win", function()
    local pages = "pages = { headers = { ['X-All'] = 'yes', ['x-mine'] = 'no', ['Retry-After'] = '60' } },"
    for what, choice in pairs {
      rejects = "ctx:reject(503, { retry_after = 7 })",
      responds = "ctx:respond { status = 404, body = 'b', headers = { ['X-Mine'] = 'yes' } }",
    } do
      local response = start_choosing("return " .. choice, pages):fetch "/"
      assert.same({ "yes" }, response:values "x-all")
      assert.same({ what == "rejects" and "no" or "yes" }, response:values "x-mine")
      assert.same({ what == "rejects" and "7" or "60" }, response:values "retry-after")
    end
  end)

  it("that is no error has none of them", function()
    local lb = start_choosing("return ctx:redirect('/b')", "pages = { headers = { ['X-All'] = 'yes' } },")
    assert.is_nil(lb:fetch("/"):field "x-all")
  end)

  it("of a backend has none of them", function()
    local backend = play.backend(function(conn)
      conn:request()
      conn:send "HTTP/1.1 503 Not now\r\nContent-Length: 0\r\n\r\n"
    end)
    local lb = play.balancer { backends = { backend }, settings = "pages = { headers = { ['X-All'] = 'yes' } }," }
    assert.is_nil(lb:fetch("/"):field "x-all")
  end)

  it("that is no error stays empty", function()
    local response = start_choosing("return ctx:respond { status = 200 }"):fetch "/"
    assert.equal("", response.body)
    assert.is_nil(response:field "content-type")
  end)
end)

describe("the last hop", function()
  after_each(play.curtain)

  it("answers TRACE, where it is allowed, with what made up the head that came and is no secret", function()
    local backend = play.hello "x"
    local lb = play.balancer { backends = { backend }, settings = "trace = true," }
    local client = play.client(lb)
    client:send("TRACE /a?b HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eDp5\r\nX-One:  1 \r\ncookie: a=secret\r\n",
      "Proxy-Authorization: Basic eDp5\r\nX-Api-Key: secret\r\nX-AUTH-TOKEN: secret\r\nMax-Forwards: 0\r\nX-One: 2\r\n",
      "\r\n")
    local response = client:response()
    assert.equal(200, response.status)
    assert.same({ "message/http" }, response:values "content-type")
    assert.same({ "lb" }, response:values "server")
    assert.equal("TRACE /a?b HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\n\r\n", response.body)
    client:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    assert.equal("x", client:response().body)
    assert.equal(1, #backend.requests)
  end)

  it("answers OPTIONS with what it can do", function()
    local backend = play.hello "x"
    local client = play.client(play.balancer { backends = { backend } })
    for _, target in ipairs { "*", "/a" } do
      client:send("OPTIONS ", target, " HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\n\r\n")
      local response = client:response()
      assert.equal(200, response.status)
      assert.equal("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS", response:field "allow")
      assert.equal("0", response:field "content-length")
      assert.equal("", response.body)
    end
    assert.equal(0, #backend.requests)
  end)
end)

describe("who talks something else to the port", function()
  after_each(play.curtain)

  local HELLO = "\22\3\1\2\0\1\0\1\252\3\3" .. ("\171"):rep(501)

  it("gets 400 and a close, and costs one quiet line", function()
    local lb = play.balancer { backends = { play.hello "x" } }
    local before = #lb.all_events
    for i = 1, 50 do
      local client = play.client(lb)
      client:send(i % 2 == 0 and HELLO or ("no HTTP at all %d\r\n\r\n"):format(i))
      local response = client:response()
      assert.equal(400, response.status)
      assert.same({ "close" }, response:values "connection")
      assert.equal("end", client:ended_by_peer())
    end
    play.wait("fifty lines", function() return #lb:exchanges { status = 400 } == 50 end)
    for _, line in ipairs(lb:exchanges()) do
      assert.equal(400, line.status)
      assert.is_true(#line.note > 0)
      assert.equal("127.0.0.1", line.client)
    end
    assert.equal(200, lb:fetch("/").status)
    lb:exchange { status = 200 }
    assert.equal(before, #lb.all_events)
    assert.equal(51, #lb:exchanges())
  end)
end)
