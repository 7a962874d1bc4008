-- Who the client of a request is: the connection says it, unless its other end is
-- trusted to speak for others.
local play = require "spec.support.play"

local PROXY, OTHER = "127.0.0.2", "127.0.0.3"
local SPOOFED = table.concat({
  "X-Forwarded-For: 203.0.113.9", "x-forwarded-for: 203.0.113.8", "X-Forwarded-Proto: https",
  "X-Forwarded-Host: evil.example", "X-Forwarded-Port: 444", "X-Forwarded-Server: evil", "X_Forwarded_For: 203.0.113.7",
  "Forwarded: for=203.0.113.9;proto=https", "",
}, "\r\n")
local ASKED = [[choose = function(ctx)
  return ctx:respond { body = table.concat({ ctx.client_ip, ctx.client_port > 0 and "port" or "0", ctx.scheme }, " ") }
end,]]

describe("trusted_proxies", function()
  after_each(play.curtain)

  local function start(settings, options)
    options = options or {}
    local backend = not options.answers and play.answering(function() return "x" end)
    return play.balancer {
      backends = backend and { backend }, listen = options.listen,
      script = "return { health = { interval = 0.2, timeout = 5 }, " .. settings .. (options.answers or "") .. "}",
    }, backend
  end

  local function get(address, from, fields)
    local client = play.client(address, { from = from })
    client:send("GET / HTTP/1.1\r\nHost: www.example:81\r\n", fields or "", "\r\n")
    return client:response()
  end

  -- The lines of the last request that a backend has seen, without its request line.
  local function seen(backend)
    local lines = {}
    for i, field in ipairs(backend.requests[#backend.requests].fields) do lines[i] = table.concat(field, ": ") end
    return lines
  end

  local function unspoofed(from, more)
    local lines = {
      "Host: www.example:81", "X-Forwarded-For: " .. from, "X-Forwarded-Proto: http",
      "X-Forwarded-Host: www.example:81", "X-Forwarded-Port: 81",
    }
    lines[#lines + 1] = more
    lines[#lines + 1] = "Via: 1.1 lb"
    return lines
  end

  it("are none: whatever a client says of others is dropped", function()
    local lb, backend = start ""
    assert.equal(200, get(lb, PROXY, SPOOFED).status)
    assert.same(unspoofed(PROXY), seen(backend))
    local line = lb:exchange()
    assert.equal(PROXY, line.client)
    assert.is_true(line.client_port > 0)
  end)

  it("do not include others: what those say is dropped, also on a connection that a trusted one has used", function()
    local lb, backend = start("trusted_proxies = '" .. PROXY .. ", 203.0.113.0/24',")
    assert.equal(200, get(lb, PROXY, SPOOFED).status)
    for _, from in ipairs { OTHER, "127.0.0.1" } do
      assert.equal(200, get(lb, from, SPOOFED).status)
      assert.same(unspoofed(from), seen(backend))
      assert.equal(from, lb:exchange({ client = from }).client)
    end
    assert.equal(1, backend.served)
  end)

  it("may speak for others, and are appended themselves", function()
    local lb, backend = start("trusted_proxies = '" .. PROXY .. "',")
    assert.equal(200, get(lb, PROXY, "A: b\r\n" .. SPOOFED).status)
    assert.same({
      "Host: www.example:81", "A: b", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example",
      "X-Forwarded-Port: 444", "X-Forwarded-Server: evil",
      "Forwarded: for=203.0.113.9;proto=https",
      "X-Forwarded-For: 203.0.113.9, 203.0.113.8, " .. PROXY, "Via: 1.1 lb",
    }, seen(backend))
  end)

  it("that say nothing are clients like any other", function()
    local lb, backend = start("trusted_proxies = '" .. PROXY .. "',")
    assert.equal(200, get(lb, PROXY).status)
    assert.same(unspoofed(PROXY), seen(backend))
    local line = lb:exchange()
    assert.equal(PROXY, line.client)
    assert.is_true(line.client_port > 0)
  end)

  it("add Forwarded, if that is set, in place of a client's own", function()
    local lb, backend = start "forwarded = true,"
    assert.equal(200, get(lb, OTHER, SPOOFED).status)
    assert.same(unspoofed(OTHER, "Forwarded: for=127.0.0.3;host=\"www.example:81\";proto=http"), seen(backend))
  end)

  it("add Forwarded, if that is set, behind a trusted one's own", function()
    local lb, backend = start("forwarded = true, trusted_proxies = '" .. PROXY .. "',")
    assert.equal(200, get(lb, PROXY, "Forwarded: for=203.0.113.9\r\nX-Forwarded-Proto: https\r\n").status)
    assert.same({
      "Host: www.example:81", "Forwarded: for=203.0.113.9", "X-Forwarded-Proto: https",
      "X-Forwarded-For: 127.0.0.2", "X-Forwarded-Host: www.example:81", "X-Forwarded-Port: 81",
      "Forwarded: for=127.0.0.2;host=\"www.example:81\";proto=http", "Via: 1.1 lb",
    }, seen(backend))
  end)

  it("that are IPv6 are written as Forwarded wants it", function()
    local lb, backend = start("forwarded = true,", { listen = "[::1]:0" })
    assert.equal(200, get(lb, nil, SPOOFED).status)
    assert.same(unspoofed("::1", "Forwarded: for=\"[::1]\";host=\"www.example:81\";proto=http"), seen(backend))
  end)

  it("name whom ctx.client is: who has the first 64 bits of an IPv6 address", function()
    local lb = start("trusted_proxies = '" .. PROXY .. "',",
      { answers = "choose = function(ctx) return ctx:respond { body = ctx.client } end," })
    for ip, client in pairs { ["2001:db8:0:7:1::9"] = "2001:db8:0:7::/64", ["::ffff:192.0.2.1"] = "192.0.2.1" } do
      assert.equal(client, get(lb, PROXY, "X-Forwarded-For: " .. ip .. "\r\n").body)
      assert.equal(OTHER, get(lb, OTHER, "X-Forwarded-For: " .. ip .. "\r\n").body)
    end
  end)

  describe("tell the policy and the log", function()
    local FOR, PROTO = "X-Forwarded-For: ", "X-Forwarded-Proto: "
    local TRUSTED = "trusted_proxies = { '127.0.0.2', '10.0.0.0/8', '2001:db8::/32' }, "
    local cases = { -- what it is about, who connects, what they say, what the policy sees
      { "a stranger that says something", OTHER, FOR .. "203.0.113.9\r\n" .. PROTO .. "https\r\n",
        OTHER .. " port http" },
      { "a trusted one that says nothing", PROXY, "", PROXY .. " port http" },
      { "a client", PROXY, FOR .. "203.0.113.9\r\n", "203.0.113.9 0 http" },
      { "a client over TLS", PROXY, FOR .. "203.0.113.9\r\n" .. PROTO .. "https\r\n", "203.0.113.9 0 https" },
      { "a client that spoofs", PROXY, FOR .. "192.0.2.66, 203.0.113.9\r\n", "203.0.113.9 0 http" },
      { "a client that spoofs a trusted one", PROXY, FOR .. "10.0.0.1, 203.0.113.9\r\n", "203.0.113.9 0 http" },
      { "a client that spoofs in a line of its own", PROXY, FOR .. "10.0.0.1\r\n" .. FOR .. "203.0.113.9\r\n",
        "203.0.113.9 0 http" },
      { "a client behind a chain", PROXY, FOR .. "192.0.2.66, 203.0.113.9, 10.0.0.2, 2001:db8::1\r\n",
        "203.0.113.9 0 http" },
      { "a client of IPv6", PROXY, FOR .. "[2001:470:0::1]:443, 10.0.0.1:80\r\n", "2001:470::1 0 http" },
      { "a trusted one as the client", PROXY, FOR .. "10.0.0.9, 10.0.0.1\r\n", "10.0.0.9 0 http" },
      { "nonsense behind a chain", PROXY, FOR .. "203.0.113.9, unknown, 10.0.0.1\r\n", "10.0.0.1 0 http" },
      { "nonsense", PROXY, FOR .. "203.0.113.9, unknown\r\n", PROXY .. " port http" },
      { "the last word on the protocol", PROXY, PROTO .. "https\r\n" .. PROTO .. "https, http\r\n",
        PROXY .. " port http" },
      { "no protocol that they cannot know", PROXY, PROTO .. "gopher\r\n", PROXY .. " port http" },
    }
    for _, case in ipairs(cases) do
      local what, from, fields, told = unpack(case)
      it("of " .. what, function()
        local lb = start(TRUSTED, { answers = ASKED })
        assert.equal(told, get(lb, from, fields).body)
        local line = lb:exchange()
        assert.equal(told:match "^%S+", line.client)
        assert.equal(told:match "port" ~= nil, line.client_port > 0)
      end)
    end

    it("of an IPv4 address that has come to an IPv6 socket", function()
      local lb = start(TRUSTED, { answers = ASKED, listen = ":0" })
      assert.equal("203.0.113.9 0 http", get("127.0.0.1:" .. lb.port, PROXY, FOR .. "203.0.113.9\r\n").body)
      assert.equal(OTHER .. " port http", get("127.0.0.1:" .. lb.port, OTHER, FOR .. "203.0.113.9\r\n").body)
    end)

    it("of an IPv6 address", function()
      local lb = start("trusted_proxies = '::1', ", { answers = ASKED, listen = "[::1]:0" })
      assert.equal("203.0.113.9 0 http", get(lb, nil, FOR .. "203.0.113.9\r\n").body)
    end)

    it("nothing of what came with a request that is none", function()
      local lb = start(TRUSTED, { answers = ASKED })
      local client = play.client(lb, { from = PROXY })
      client:send("GET / HTTP/1.1\r\nHost: x\r\n" .. FOR .. "203.0.113.9\r\nno field\r\n\r\n")
      assert.equal(400, client:response().status)
      assert.equal(PROXY, lb:exchange({ status = 400 }).client)
    end)
  end)
end)
