-- Certificates by ACME: certbot asks pebble, which asks lb at its plain port, and the script
-- acme_challenge answers with what certbot says. A renewed certificate is loaded from certbot's
-- links while clients are served.
local authority = require "spec.support.authority"
local loop = require "spec.support.loop"
local play = require "spec.support.play"
local process = require "spec.support.process"
local tls = require "spec.support.tls"
local uv = require "luv"

local GET = "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"

local function free_port()
  local handle = uv.new_tcp()
  assert(handle:bind("127.0.0.1", 0))
  local port = handle:getsockname().port
  handle:close()
  loop.settle()
  return port
end

local CONFIG = [[{ "pebble": {
  "listenAddress": "127.0.0.1:%d", "managementListenAddress": "127.0.0.1:%d",
  "certificate": "%s", "privateKey": "%s", "httpPort": %d, "tlsPort": %d,
  "ocspResponderURL": "", "externalAccountBindingRequired": false } }]]

-- Its certificate is for the address at which certbot asks; its resolver says 127.0.0.1 to all.
local function start_pebble(http_port)
  local own = authority.make { names = { "IP:127.0.0.1" }, common_name = "pebble", file = "pebble" }
  local dns, port = free_port(), free_port()
  process.start {
    "pebble-challtestsrv", "-defaultIPv6", "", "-dns01", "127.0.0.1:" .. dns, "-management", "127.0.0.1:" ..
      free_port(), "-http01", "", "-https01", "", "-tlsalpn01", "",
  }
  local config = process.file("pebble.json",
    CONFIG:format(port, free_port(), own.cert, own.key, http_port, free_port()))
  local pebble = process.start {
    "pebble", "-config", config, "-dnsserver", "127.0.0.1:" .. dns,
    env = { PEBBLE_VA_NOSLEEP = "1", PEBBLE_WFE_NONCEREJECT = "0" },
  }
  loop.wait("pebble to listen", function()
    return pebble.exit or (play.run { "curl", "-sk", ("https://127.0.0.1:%d/dir"):format(port) }).code == 0
  end, 30)
  assert(not pebble.exit, table.concat(pebble.err, "\n"))
  return { url = ("https://127.0.0.1:%d/dir"):format(port), ca = own.cert }
end

local function certbot(pebble, ...)
  local folder = process.directory() .. "/certbot"
  local words = {
    "certbot", "--non-interactive", "--agree-tos", "--register-unsafely-without-email", "--server", pebble.url,
    "--config-dir", folder, "--work-dir", folder .. "/work", "--logs-dir", folder .. "/logs",
    "--no-random-sleep-on-renew", env = { REQUESTS_CA_BUNDLE = pebble.ca },
  }
  for _, word in ipairs { ... } do words[#words + 1] = word end
  return process.start(words)
end

local function ended(bot)
  local status = bot:wait_exit(120).code
  assert.equal(0, status, table.concat(bot.out, "\n") .. table.concat(bot.err, "\n"))
end

local SCRIPT = [[
local script = require "acme_challenge" {
  address = "127.0.0.1:%d", policy = function(ctx) return ctx:respond { body = "hello" } end,
}
script.health = { interval = 0.2 }
script.listen = { "127.0.0.1:%d", %s }
%s
return script
]]

local function start(challenges, port, listen, more, args)
  return play.balancer { listen = false, script = SCRIPT:format(challenges, port, listen, more), args = args }
end

local function serial_of(address)
  local result = play.run {
    "sh", "-c", ("openssl s_client -connect %s -servername shop.test </dev/null 2>&1 | openssl x509 -noout -serial")
      :format(address),
  }
  return result.out:match "serial=(%x+)"
end

local function asks(client)
  client:send(GET)
  return client:response().body
end

describe("certbot", function()
  after_each(function()
    tls.clear()
    play.curtain()
  end)

  it("gets a certificate through lb, and its renewal reaches new clients, with no request lost", function()
    local challenges, port = free_port(), free_port()
    local pebble = start_pebble(port)
    local lb = start(challenges, port, "", "")
    ended(certbot(pebble, "certonly", "--standalone", "--http-01-address", "127.0.0.1", "--http-01-port",
      tostring(challenges), "-d", "shop.test", "-d", "www.shop.test"))
    lb:stop()

    local live = process.directory() .. "/certbot/live/shop.test/"
    local pair = ("{ cert = %q, key = %q }"):format(live .. "fullchain.pem", live .. "privkey.pem")
    lb = start(challenges, port, "{ '127.0.0.1:0', tls = true }",
      ("script.tls = { certificates = { %s } }"):format(pair), { "--watch" })
    local secure = lb:event("listening", { tls = true }).address
    local first = serial_of(secure)
    assert.truthy(first)
    local kept = tls.client(secure, { name = "shop.test" })

    local bot = certbot(pebble, "renew", "--force-renewal")
    local served, serial = 0, first
    loop.wait("the renewed certificate", function()
      local client = tls.client(secure, { name = "www.shop.test" })
      assert.same({ "hello", "hello" }, { asks(client), asks(kept) })
      client:close()
      served = served + 2
      if bot.exit then serial = serial_of(secure) end
      return serial ~= first
    end, 120)
    ended(bot)
    assert.equal("hello", asks(kept)) -- over the connection of before
    assert.truthy(served > 10, served)
    assert.equal(0, #lb:events "reload_refused")
  end)
end)
