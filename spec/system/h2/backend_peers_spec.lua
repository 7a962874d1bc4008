-- Backends in HTTP/2 that are not ours: nghttpd, with TLS (h2://) and without (h2c://).
local authority = require "spec.support.authority"
local h2_backends = require "spec.support.h2_backends"
local play = require "spec.support.play"
local tls = require "spec.support.tls"
local uv = require "luv"

describe("nghttpd behind lb", function()
  local ca, directory

  before_each(function()
    ca = authority.make { ca = true, common_name = "spec ca" }
    directory = play.directory()
    play.file("small", "hello")
    play.file("large", ("0123456789"):rep(300000))
  end)

  after_each(function()
    play.curtain()
    tls.clear()
  end)

  local function free_port()
    local socket = uv.new_tcp()
    assert(socket:bind("127.0.0.1", 0))
    local port = socket:getsockname().port
    socket:close()
    return port
  end

  local function listens(port)
    local conn = play.connect("127.0.0.1:" .. port)
    if conn then conn:close() end
    return conn ~= nil
  end

  -- Its address, for lb, and the process.
  local function nghttpd(more)
    local port = free_port()
    local command = { "nghttpd", "--address", "127.0.0.1", "-d", directory, "--echo-upload", name = "nghttpd" }
    for _, word in ipairs(more.options or {}) do command[#command + 1] = word end
    command[#command + 1] = port
    if more.made then
      command[#command + 1] = more.made.key
      command[#command + 1] = more.made.cert
    else
      table.insert(command, 2, "--no-tls")
    end
    local process = play.start(command)
    play.wait("nghttpd", function() return listens(port) end)
    return (more.made and "h2" or "h2c") .. "://127.0.0.1:" .. port, process
  end

  local function serves(lb)
    local client = play.client(lb)
    for _ = 1, 3 do
      client:send "GET /small HTTP/1.1\r\nHost: x\r\n\r\n"
      assert.equal("hello", client:response().body)
      local body = ("abcdefgh"):rep(50000)
      client:send(("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"):format(#body), body)
      assert.is_true(client:response().body == body)
      client:send "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
      assert.equal("abc", client:response().body)
      client:send "HEAD /small HTTP/1.1\r\nHost: x\r\n\r\n"
      assert.equal("5", client:response("HEAD"):field "content-length")
      client:send "GET /none HTTP/1.1\r\nHost: x\r\n\r\n"
      assert.equal(404, client:response().status)
      client:send "GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
      assert.equal(3000000, #client:response().body)
    end
    for _ = 1, 18 do lb:exchange {} end
    for _, exchange in ipairs(lb:exchanges()) do assert.equal("ok", h2_backends.outcomes(exchange)) end
  end

  it("serves, and is checked, without TLS", function()
    local address, process = nghttpd {}
    local lb = play.balancer { backends = { address }, settings =
      "health = { type = 'http', path = '/small', interval = 0.1, timeout = 5 }," }
    serves(lb)
    process:signal "sigkill"
    lb:event "backend_down"
  end)

  it("serves when it takes one stream at a time", function()
    local lb = play.balancer { backends = { (nghttpd { options = { "--max-concurrent-streams", "1" } }) } }
    serves(lb)
  end)

  it("serves, and is checked, over TLS", function()
    local made = authority.make { by = ca, names = { "IP:127.0.0.1" } }
    local lb = play.balancer { settings = ([[
      health = { type = "http", path = "/small", interval = 0.1, timeout = 5 },
      backends = { { address = %q, tls = { ca = %q } } },
    ]]):format((nghttpd { made = made }), ca.cert) }
    serves(lb)
  end)

  it("is verified over TLS", function()
    local made = authority.make { by = ca, names = { "DNS:other.test" } }
    local lb = play.balancer { settings = ([[
      health = { interval = 60, timeout = 5 },
      backends = { { address = %q, tls = { ca = %q } } },
    ]]):format((nghttpd { made = made }), ca.cert) }
    assert.equal(502, lb:fetch("/").status)
    assert.matches("tls", h2_backends.outcomes(lb:exchange {}))
  end)

  it("is no other server: one that speaks HTTP/1.1 over TLS fails with outcome tls", function()
    local backend = tls.backend({ both = authority.make({ by = ca, names = { "IP:127.0.0.1" } }).both }, function(conn)
      conn:rest()
    end)
    local lb = play.balancer { settings = ([[
      health = { interval = 60, timeout = 5 },
      backends = { { address = %q, tls = { ca = %q } } },
      on_failure = function() return "fail" end,
    ]]):format("h2://" .. backend.address, ca.cert) }
    assert.equal(502, lb:fetch("/").status)
    local exchange = lb:exchange {}
    assert.equal("tls", h2_backends.outcomes(exchange))
    assert.matches("ALPN h2", exchange.note)
  end)
end)
