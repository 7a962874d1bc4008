-- What spec/support builds for specs of policies, where its own behaviour matters.
local fake_lb = require "spec.support.fake_lb"
local pool = require("spec.support.backend").pool
local request = require "spec.support.request"
local script = require "spec.support.script"
local sha256 = require "spec.support.sha256"

describe("the builders", function()
  local lb, world
  before_each(function() lb, world = fake_lb.new() end)

  it("move the clock when a policy sleeps", function()
    local before = lb.now()
    lb.sleep(2.5)
    assert.equal(before + 2.5, lb.now())
  end)

  it("run timers that are due, in their order", function()
    local ran = {}
    lb.every(2, function() ran[#ran + 1] = "every " .. lb.now() - 1000 end)
    lb.after(3, function() ran[#ran + 1] = "after " .. lb.now() - 1000 end)
    lb.after(1, function() ran[#ran + 1] = "never" end):cancel()
    world:advance(5)
    assert.same({ "every 2", "after 3", "every 4" }, ran)
  end)

  it("leave a run of a timer out while the one before still runs", function()
    local began = {}
    lb.every(1, function()
      began[#began + 1] = lb.now() - 1000
      lb.sleep(1.5)
    end)
    world:advance(5)
    assert.same({ 1, 3, 5 }, began)
  end)

  it("let two requests sleep at the same time", function()
    local ends = {}
    for i = 1, 2 do
      world:go(function()
        lb.sleep(i)
        ends[i] = lb.now() - 1000
      end)
    end
    world:advance(2)
    assert.same({ 1, 2 }, ends)
  end)

  it("forget what has left a window", function()
    local window = lb.window("w", 10)
    assert.equal(1, window:add())
    world:advance(5)
    assert.equal(3, window:add(2))
    world:advance(5)
    assert.equal(2, window:get())
  end)

  it("refill a bucket", function()
    local bucket = lb.bucket("b", { rate = 2, burst = 2 })
    assert.same({ true, true }, { bucket:take "a", (bucket:take "a") })
    local taken, wait = bucket:take "a"
    assert.is_false(taken)
    assert.is_true(math.abs(wait - 0.5) < 1e-6)
    assert.is_true(bucket:take "b")
    world:advance(0.5)
    assert.is_true(bucket:take "a")
  end)

  it("keep keys for their time", function()
    assert.is_true(lb.add("k", 1, 10))
    assert.is_false(lb.add("k", 2))
    assert.equal(3, lb.incr("k", 2))
    world:advance(10)
    assert.is_nil(lb.get "k")
  end)

  it("sign as RFC 4231 says", function()
    assert.equal("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
      sha256.hmac("Jefe", "what do ya want for nothing?"))
    assert.equal("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
      sha256.hmac(("\170"):rep(131), "Test Using Larger Than Block-Size Key - Hash Key First"))
  end)

  it("talk to a peer that the spec plays", function()
    world.tcp = function(address)
      assert.equal("cache:6379", address)
      return function(sent) return sent == "GET a\r\n" and "$3\r\nabc\r\n" end
    end
    local conn = lb.tcp.connect("cache:6379", { timeout = 1 })
    assert.is_true(conn:send "GET a\r\n")
    assert.equal("$3", conn:line())
    assert.equal("abc", conn:read(3))
    conn:close()
    assert.same({ nil, "closed" }, { conn:line() })
    assert.is_nil((lb.http.get "http://127.0.0.1:1/"))
  end)

  it("refuse what does not exist", function()
    assert.error_matches(function() return lb.countr end, "unknown field 'countr' of lb")
    assert.error_matches(function() return request({}).clientip end, "unknown field 'clientip' of ctx")
    assert.error_matches(function() return pool({ "a" })[1].inflight end, "unknown field 'inflight' of a backend")
    assert.error_matches(function() return pool({ "a" }).min_by end, "unknown field 'min_by' of backends")
    assert.error_matches(function() request { mehtod = "GET" } end, "no field 'mehtod'")
    assert.error_matches(function() script.load_text "oops = 1 return {}" end, "sets the global 'oops'")
  end)

  it("read cookies as they come", function()
    local ctx = request { headers = { Cookie = "a=1; session=x=y; a=2" } }
    assert.same({ "1", "x=y" }, { ctx.cookies.a, ctx.cookies.session })
  end)
end)
