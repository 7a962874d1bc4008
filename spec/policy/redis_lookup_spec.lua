local pool = require("spec.support.backend").pool
local redis = require "spec.support.redis"
local request = require "spec.support.request"
local script = require "spec.support.script"

describe("redis lookup", function()
  local policy, world, values, asked, connects, trouble
  before_each(function()
    policy, world = script.load_text "return require 'redis_lookup' { keep = 5, backends = 'a:1, b:1, c:1' }"
    values, asked, connects, trouble = { ["tenant:acme.test"] = "b", ["tenant:gone.test"] = "z" }, 0, 0, nil
    world.tcp = function(address)
      assert.equal("127.0.0.1:6379", address)
      connects = connects + 1
      if trouble == "refused" then return nil, "connect: connection refused" end
      if trouble == "limit" then return nil, "limit: 256 connections of scripts are open in this worker" end
      return function(text)
        asked = asked + 1
        return trouble or redis.reply(values, text)
      end
    end
  end)

  local function chosen(host)
    local one = policy.choose(request { host = host }, pool { "a", "b", "c" })
    return one and one.name
  end

  local function rounds(host, count)
    local seen = {}
    for _ = 1, count do seen[chosen(host)] = true end
    return seen
  end

  it("sends a tenant to the backend that Redis names", function()
    for _ = 1, 5 do assert.equal("b", chosen "acme.test") end
  end)

  it("keeps an answer for a while, and one connection for good", function()
    for _ = 1, 5 do chosen "acme.test" end
    assert.equal(1, asked)
    values["tenant:acme.test"] = "c"
    world:advance(5)
    assert.equal("c", chosen "acme.test")
    chosen "other.test"
    assert.equal(3, asked)
    assert.equal(1, connects)
  end)

  it("goes round for who is unknown, and keeps that too", function()
    assert.same({ a = true, b = true, c = true }, rounds("who.test", 6))
    assert.equal(1, asked)
  end)

  it("goes round if the backend named is not up, or is none", function()
    assert.same({ a = true, b = true, c = true }, rounds("gone.test", 6))
    assert.is_nil(policy.choose(request { host = "acme.test" }, pool {}))
  end)

  for _, what in ipairs { "refused", "-ERR no\r\n", "$5000\r\n", "$3\r\n", ":1\r\n", "" } do
    it(("goes round at once for a second after %q, and asks again then"):format(what), function()
      trouble = what
      assert.same({ a = true, b = true, c = true }, rounds("acme.test", 9))
      assert.equal(1, connects)
      trouble = nil
      world:advance(1)
      assert.equal("b", chosen "acme.test")
    end)
  end

  it("keeps the last answer while Redis does not answer", function()
    assert.equal("b", chosen "acme.test")
    for _, what in ipairs { "refused", "", "-ERR no\r\n", "$3\r\n" } do
      trouble = what
      for _ = 1, 30 do
        world:advance(1)
        assert.equal("b", chosen "acme.test", what)
      end
    end
    trouble, values["tenant:acme.test"] = nil, "c"
    world:advance(1)
    assert.equal("c", chosen "acme.test")
  end)

  it("forgets a tenant that Redis knows no more", function()
    assert.equal("b", chosen "acme.test")
    values["tenant:acme.test"] = nil
    world:advance(5)
    assert.same({ a = true, b = true, c = true }, rounds("acme.test", 6))
    trouble = "refused"
    world:advance(5)
    assert.same({ a = true, b = true, c = true }, rounds("acme.test", 6))
  end)

  it("loses no known tenant to many unknown ones", function()
    assert.equal("b", chosen "acme.test")
    for i = 1, 50000 do chosen("who" .. i) end
    asked = 0
    assert.equal("b", chosen "acme.test")
    assert.equal(0, asked)
    trouble = "refused"
    world:advance(60)
    for _ = 1, 5 do assert.equal("b", chosen "acme.test") end
  end)

  for _, what in ipairs { "-ERR no\r\n", "-WRONGTYPE\r\n", "$5000\r\n" } do
    it(("asks for others although it got %q for one"):format(what), function()
      trouble = what
      assert.same({ a = true, b = true, c = true }, rounds("who.test", 6))
      trouble = nil
      for _ = 1, 5 do assert.equal("b", chosen "acme.test") end
    end)
  end

  it("asks for others although all connections were in use for one", function()
    trouble = "limit"
    chosen "who.test"
    trouble = nil
    for _ = 1, 5 do assert.equal("b", chosen "acme.test") end
  end)

  it("has one request ask, and the others keep the last answer meanwhile", function()
    assert.equal("b", chosen "acme.test")
    world:advance(5)
    values["tenant:acme.test"], asked = "c", 0
    local reply = redis.reply
    redis.reply = function(...)
      assert.equal("b", chosen "acme.test")
      return reply(...)
    end
    assert.equal("c", chosen "acme.test")
    redis.reply = reply
    assert.equal(1, asked)
  end)

  it("asks with the bytes of the tenant, whatever they are", function()
    values["tenant:a\r\nflushall\r\n"] = "c"
    assert.equal("c", chosen "a\r\nflushall\r\n")
    assert.same({ a = true, b = true, c = true }, rounds(("x"):rep(256), 6))
    assert.equal(1, asked)
  end)
end)
