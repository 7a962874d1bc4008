-- Session tickets are opened by every worker, also after a reload; never by another site.
local certificates = require "spec.support.certificates"
local play = require "spec.support.play"
local reloading = require "spec.support.reloading"
local tls = require "spec.support.tls"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

describe("a TLS session", function()
  after_each(function()
    tls.clear()
    play.curtain()
  end)

  local function script(more)
    local a = certificates.new { names = { "a.test" } }
    local b = certificates.new { names = { "b.test" } }
    return "return { health = { interval = 0.2 }, listen = { { '127.0.0.1:0', tls = true } }, " ..
      certificates.settings({ a, b }, more) .. "choose = function(ctx) return ctx:respond { body = 'x' } end }"
  end

  local function start(more, workers)
    return play.balancer { script = script(more), listen = false, workers = workers }
  end

  -- The session of a connection that has had an answer, and whether it was resumed itself.
  local function ask(lb, options)
    local client = tls.client(lb, options)
    client:send(GET)
    assert.equal("x", client:response().body)
    local session, has_ticket = tls.session(client)
    local resumed = tls.said(client).resumed
    client:close()
    return session, resumed, has_ticket
  end

  for _, version in ipairs { "1.2", "1.3" } do
    it("of " .. version .. " is resumed by every worker", function()
      local lb = start(nil, 4)
      local session, resumed = ask(lb, { version = version, name = "a.test" })
      assert.is_false(resumed)
      for _ = 1, 40 do
        session, resumed = ask(lb, { version = version, name = "a.test", session = session })
        assert.is_true(resumed)
      end
    end)

    it("of " .. version .. " is resumed after a reload", function()
      local lb, say = reloading.start(script(), { listen = false })
      local session = ask(lb, { version = version, name = "a.test" })
      local _, resumed = ask(lb, { version = version, name = "a.test", session = session })
      assert.is_true(resumed)
      assert.equal("reload", say(script() .. " -- another text").event)
      _, resumed = ask(lb, { version = version, name = "a.test", session = session })
      assert.is_true(resumed)
    end)

    it("of " .. version .. " is resumed by a worker that takes the place of another", function()
      local lb = start()
      lb.may_lose_workers = true
      local session = ask(lb, { version = version, name = "a.test" })
      for _, pid in ipairs(lb:children()) do require("luv").kill(pid, "sigkill") end
      lb:event "worker_died"
      local resumed
      play.wait("another worker", function()
        local ok, _, was = pcall(ask, lb, { version = version, name = "a.test", session = session })
        resumed = was
        return ok
      end)
      assert.is_true(resumed)
    end)

    it("of " .. version .. " is noise to another site", function()
      local lb = start()
      local session = ask(lb, { version = version, name = "a.test" })
      local _, resumed = ask(lb, { version = version, name = "b.test", session = session })
      assert.is_false(resumed)
    end)

    it("of " .. version .. " has no ticket with tickets = 0", function()
      local lb = start "tickets = 0"
      local session, _, has_ticket = ask(lb, { version = version, name = "a.test" })
      assert.is_false(has_ticket)
      local _, resumed = ask(lb, { version = version, name = "a.test", session = session })
      assert.is_false(resumed)
    end)
  end
end)
