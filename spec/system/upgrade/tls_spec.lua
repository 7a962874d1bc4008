-- What an upgrade makes of connections over TLS.
local authority = require "spec.support.authority"
local certificates = require "spec.support.certificates"
local play = require "spec.support.play"
local tls = require "spec.support.tls"
local upgrading = require "spec.support.upgrading"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

local function are_gone(pids)
  play.wait("the processes before to end", function()
    for _, pid in ipairs(pids) do
      if play.exists(pid) then return false end
    end
    return true
  end)
end

-- A backend that answers when the spec asks it to.
local function patient()
  local goes_on = false
  local backend = play.answering(function()
    play.wait("the word", function() return goes_on end)
    return "answer"
  end)
  return backend, function() goes_on = true end
end

describe("an upgrade of connections over TLS", function()
  after_each(function()
    tls.clear()
    play.curtain()
  end)

  local SEEN = [[
    choose = function(ctx, backends)
      if ctx.path ~= "/seen" then return backends[1] end
      local t, said = ctx.tls, {}
      for _, name in ipairs { "version", "cipher", "name", "alpn", "resumed", "fingerprint" } do
        said[#said + 1] = name .. "=" .. tostring(t[name])
      end
      local client = t.client
      said[#said + 1] = client and ("%s %s %s %s"):format(tostring(client.verified), client.subject,
        table.concat(client.names.dns, " "), client.sha256) or "nobody"
      return ctx:respond { status = 200, body = table.concat(said, " ") }
    end,]]

  for layout, program in pairs { ["the same"] = upgrading.program, another = upgrading.other } do
    it("keeps those whose records are its own, to " .. layout .. " layout of memory", function()
      local pair = certificates.new { names = { "a.test" } }
      local staff = authority.make { ca = true, common_name = "staff" }
      local anna = authority.make { by = staff, common_name = "anna", names = { "anna.example" } }
      local lb, put = upgrading.start {
        listen = false, backends = { play.hello "one" }, workers = 2,
        script = ("return { listen = { { '127.0.0.1:0', tls = true } }, %s %s }"):format(SEEN,
          certificates.settings({ pair }, ("client = { ca = %q, verify = 'request', forward = true }")
            :format(staff.cert))),
      }
      local clients, seen = {}, {}
      for n = 1, 24 do
        clients[n] = tls.client(lb, {
          name = "a.test", alpn = n % 3 == 0 and { "http/1.1" } or nil, shows = n % 2 == 0 and anna.both or nil,
        })
        if n % 4 > 0 then -- others have asked nothing yet
          clients[n]:send "GET /seen HTTP/1.1\r\nHost: a.test\r\n\r\n"
          seen[n] = clients[n]:response().body
          assert.equal(n % 2 == 0, seen[n]:find("true CN=anna anna.example", 1, true) ~= nil, seen[n])
        end
      end
      for round = 1, 3 do
        put(round % 2 == 0 and upgrading.program or program)
        put.upgrade()
        for n, client in ipairs(clients) do
          if (n + round) % 5 == 0 then tls.update(client, 1) end
          client:send(GET)
          local response = client:response()
          assert.equal("one", response.body)
          assert.is_nil(response:field "connection")
          client:send "GET /seen HTTP/1.1\r\nHost: a.test\r\n\r\n"
          local body = client:response().body
          assert.equal(seen[n] or body, body)
          seen[n] = body
          assert.falsy(tls.was_told(client))
        end
      end
    end)
  end

  it("answers what is under way or cut in two, and then keeps the connection", function()
    local backend, go_on = patient()
    local pair = certificates.new { names = { "a.test" } }
    local lb, put = upgrading.start {
      listen = false, backends = { backend },
      settings = "listen = { { '127.0.0.1:0', tls = true } }, " .. certificates.settings { pair },
    }
    local busy, half = tls.client(lb, { name = "a.test" }), tls.client(lb, { name = "a.test" })
    busy:send(GET)
    play.wait("the backend", function() return #backend.requests == 1 end)
    half:send "GET / HTTP/1.1\r\n"
    local before = lb:children()
    assert.equal("upgrade", put.asked().event)
    half:send "Host: x\r\n\r\n"
    play.wait("the other request", function() return #backend.requests == 2 end)
    go_on()
    for _, client in ipairs { busy, half } do
      local response = client:response()
      assert.equal("answer", response.body)
      assert.is_nil(response:field "connection")
    end
    are_gone(before)
    for _, client in ipairs { busy, half } do
      client:send(GET)
      assert.equal("answer", client:response().body)
    end
  end)

  it("tells a client whose records are OpenSSL's by the next answer that the connection ends", function()
    local pair = certificates.new { names = { "a.test" } }
    local lb, put = upgrading.start {
      listen = false, backends = { play.hello "one" },
      settings = "listen = { { '127.0.0.1:0', tls = true } }, "
        .. certificates.settings({ pair }, "records = 'openssl'"),
    }
    local client = tls.client(lb, { name = "a.test" })
    client:send(GET)
    assert.is_nil(client:response():field "connection")
    assert.equal("upgrade", put.asked().event)
    client:send(GET)
    local response = client:response()
    assert.equal("one", response.body)
    assert.equal("close", response:field "connection")
    local again = tls.client(lb, { name = "a.test", session = tls.session(client) })
    again:send(GET)
    assert.equal("one", again:response().body)
    assert.is_true(tls.said(again).resumed)
  end)
end)
