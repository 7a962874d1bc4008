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

  it("is resumed by 99 of 100 connections at least, over four workers and reloads", function()
    local lb, say = reloading.start(script(), { listen = false, workers = 4 })
    local session = ask(lb, { name = "a.test" })
    local count, resumed = 0, 0
    for round = 1, 4 do
      for _ = 1, 100 do
        local was
        session, was = ask(lb, { name = "a.test", session = session })
        count, resumed = count + 1, resumed + (was and 1 or 0)
      end
      if round < 4 then assert.equal("reload", say(script() .. " -- text " .. round).event) end
    end
    assert.is_true(resumed >= 0.99 * count, resumed .. " of " .. count)
  end)

  describe("with keys from a file", function()
    local function keys(...)
      local path = play.file("tickets.key", table.concat { ... })
      assert(require("luv").fs_chmod(path, 384))
      return path
    end

    local function key()
      local file = assert(io.open("/dev/urandom", "rb"))
      local bytes = file:read(32)
      file:close()
      return bytes
    end

    local function with(path) return ("ticket_keys = %q"):format(path) end

    for _, version in ipairs { "1.2", "1.3" } do
      it("is resumed by another lb that has the file, with TLS " .. version, function()
        local path = keys(key())
        local one, other, stranger = start(with(path)), start(with(path)), start()
        local options = { version = version, name = "a.test" }
        options.session = ask(one, options)
        for _, lb in ipairs { other, one, other } do
          local session, resumed = ask(lb, options)
          assert.is_true(resumed)
          options.session = session
        end
        assert.is_false(select(2, ask(stranger, options)))
      end)
    end

    it("is resumed as long as its key is in the file, at the next reload", function()
      local first, second, third, fourth = key(), key(), key(), key()
      local path = keys(first)
      local lb = start(with(path))
      local session = ask(lb, { name = "a.test" })
      local function resumes(...)
        keys(...)
        lb:signal "sighup"
        lb:event("reload", nil, #lb:events "reload" + 1)
        return (select(2, ask(lb, { name = "a.test", session = session })))
      end
      assert.is_true(resumes(second, first))
      assert.is_true(resumes(third, second, first))
      assert.is_false(resumes(fourth, third, second))
      assert.is_true(resumes(first))
    end)

    it("warns if others may read it", function()
      local path = keys(key())
      assert(require("luv").fs_chmod(path, 420))
      local lb = start(with(path))
      local event = lb:event("tls_key_readable", { file = path })
      assert.equal("others may read the ticket keys " .. path .. ": chmod 600 " .. path, event.message)
      local said = play.lb { "check", play.file("t.lua", script(with(path))) }
      assert.matches(("-- warning: %q: others may read these ticket keys: chmod 600"):format(path), said.out, 1, true)
    end)

    it("refuses a file that has none", function()
      for text, wanted in pairs {
        [""] = "expected one to three keys of 32 random bytes", [("\0"):rep(33)] = "expected one to three keys",
        [("\0"):rep(128)] = "expected one to three keys", [("0123456789abcdef"):rep(4)] = "this is text, not random",
      } do
        local path = keys(text)
        local said = play.lb { "check", play.file("t.lua", script(with(path))) }
        assert.equal(2, said.code)
        assert.matches(":1: tls.ticket_keys: " .. path .. ": " .. wanted, said.err, 1, true)
      end
      local said = play.lb { "check", play.file("t.lua", script "ticket_keys = '/no/such/file'") }
      assert.matches("tls.ticket_keys: /no/such/file: No such file or directory", said.err, 1, true)
    end)
  end)
end)
