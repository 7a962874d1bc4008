-- A number of a script that becomes a text: all its digits are there, whichever way it goes.
local core = require "spec.support.core"
local json = require "dkjson"
local loaded = require "spec.support.loaded"
local play = require "spec.support.play"

local ANNA, BERTA = "1824192940134586", "1824192940134590" -- of 14 digits they would be one text
local TWO = ("local anna, berta = lb.json.decode '%s', lb.json.decode '%s'\n"):format(ANNA, BERTA)

describe("a number", function()
  local segment

  setup(function() segment = core.segment_new() end)
  teardown(function() core.segment_free(segment) end)

  local function text_of(expression)
    local said = loaded.run(segment, TWO .. ("error('<' .. %s .. '>', 0)"):format(expression))
    return said:match "^t%.lua: <(.*)>$" or said
  end

  for expression, wanted in pairs {
    ["anna"] = ANNA, ["-anna"] = "-" .. ANNA, ["2^53 - 1"] = "9007199254740991", ["2^53"] = "9007199254740992",
    ["1e15"] = "1000000000000000", ["1e21"] = "1e+21", ["0.1"] = "0.1", ["1/3"] = "0.3333333333333333",
    ["0.1 + 0.2"] = "0.30000000000000004", ["1e-7"] = "1e-07", ["0"] = "0", ["-0"] = "0", ["0 * -1"] = "0",
    ["-1"] = "-1", ["4294967296.5"] = "4294967296.5", ["1.7976931348623157e308"] = "1.7976931348623157e+308",
    ["1/0"] = "inf", ["-1/0"] = "-inf", ["0/0"] = "nan", ["-(0/0)"] = "nan",
  } do
    it("such as " .. expression .. " is " .. wanted, function()
      assert.equal(wanted, text_of(("tostring(%s)"):format(expression)))
      assert.equal(wanted, text_of(("string.format('%%s', %s)"):format(expression)))
      assert.equal("a" .. wanted, text_of(("table.concat { 'a', %s }"):format(expression)))
      assert.equal(wanted, text_of(("(('x'):gsub('x', function() return %s end))"):format(expression)))
    end)
  end

  it("stays one for what wants a number, and a list with a mistake is refused as before", function()
    assert.equal(ANNA .. " 0.33 ff 1e+15", text_of "('%d %.2f %x %g'):format(anna, 1/3, 255, 1e15)")
    assert.equal("2-3", text_of "table.concat({ 1, 2, 3, 4 }, '-', 2, 3)")
    for list, at in pairs { ["{ 1, {} }"] = 2, ["{ 1, nil, 2 }, '', 1, 1e9"] = 2, ["{}, '', 1, 1e9"] = 1 } do
      assert.truthy(text_of(("select(2, pcall(table.concat, %s))"):format(list)):find("index " .. at, 1, true))
    end
  end)
end)

describe("two numbers that differ beyond 14 digits", function()
  after_each(play.curtain)

  local function start(choose, settings)
    local one = play.answering(function(request) return request:field "x-id" or "none" end)
    local lb = play.balancer { backends = { one }, script = TWO .. ([[
      local bucket, window = lb.bucket("b", { rate = 0.001, burst = 1 }), lb.window(anna, 60)
      return { %s choose = function(ctx, backends) %s end }]]):format(settings or "", choose) }
    return lb, one
  end

  it("are two keys, two windows and two buckets", function()
    local lb = start [[
      lb.set(anna, "a") lb.set(berta, "b") lb.incr(-anna) lb.add(anna + 0.5, 7)
      window:add(3)
      return ctx:respond { body = lb.json.encode { lb.get(anna), lb.get "1824192940134586", lb.get(berta),
        lb.get "-1824192940134586", lb.get "1824192940134586.5", lb.window("1824192940134586", 60):get(),
        lb.window(berta, 60):get(), (bucket:take(anna)), (bucket:take(berta)), (bucket:take "1824192940134586") } }
    ]]
    assert.same({ "a", "a", "b", 1, 7, 3, 0, true, true, false }, json.decode(lb:fetch("/").body))
  end)

  it("are sent with all digits", function()
    local lb, one = start [[
      if ctx.path == "/own" then return ctx:respond { body = anna, headers = { ["X-Id"] = { anna, berta } } } end
      if ctx.path == "/http" then
        local url = "http://" .. backends[1].address
        local res = assert(lb.http.post(url, { body = anna, headers = { ["X-Id"] = berta } }))
        return ctx:respond { body = res.body }
      end
      return backends[1], { request_headers = { ["X-Id"] = { anna } }, response_headers = { ["X-Back"] = berta } }]]
    local own = lb:fetch "/own"
    assert.equal(ANNA, own.body)
    assert.same({ ANNA, BERTA }, own:values "x-id")
    assert.equal(BERTA, lb:fetch("/http").body)
    assert.equal(ANNA, one.requests[1].body)
    local answer = lb:fetch "/"
    assert.equal(ANNA, answer.body)
    assert.equal(BERTA, answer:field "x-back")
  end)

  it("are sent by lb.tcp, too", function()
    local lines = {}
    local peer = play.backend { accept = function(conn)
      lines[#lines + 1] = conn:line()
      conn:send "ok\n"
    end }
    local lb = start(([[
      local conn = assert(lb.tcp.connect "%s")
      conn:send(anna) conn:send "\n"
      return ctx:respond { body = assert(conn:line()) }]]):format(peer.address))
    assert.equal("ok", lb:fetch("/").body)
    assert.same({ ANNA }, lines)
  end)

  it("are logged as numbers, and named in errors", function()
    local lb = start [[
      if ctx.path == "/error" then error(anna, 0) end
      lb.log.info { message = berta, id = anna, part = 1/3 }
      print(anna, 0.1)
      ctx:explain("id", anna) ctx:explain("good", true) ctx:explain("much", 1/0) ctx:explain("text", "7")
      return backends[1] ]]
    lb:fetch "/"
    local event = lb:event("script", { message = BERTA })
    assert.equal(tonumber(ANNA), event.id)
    assert.equal(1/3, event.part)
    lb:event("script", { message = ANNA .. "\t0.1" })
    assert.same({ id = tonumber(ANNA), good = true, much = "inf", text = "7" }, lb:exchange({ path = "/" }).explain)
    lb:fetch "/error"
    assert.truthy(lb:event("policy_error").message:find(ANNA, 1, true))
  end)

  it("are two places on the ring, and the value of a tag", function()
    local tagged = "backends = { { address = '127.0.0.1:1', tags = { id = '" .. ANNA .. "' } }, '127.0.0.1:2' },"
    local lb = play.balancer { script = TWO .. "return { " .. tagged .. [[
      choose = function(ctx, backends)
        local same = true
        for i = 0, 63 do same = same and backends:ring(anna + i) == backends:ring(("%d"):format(anna + i)) end
        return ctx:respond { body = lb.json.encode { same, #backends.all:tagged("id", anna),
          #backends.all:tagged("id", berta) } }
      end }]] }
    assert.same({ true, 1, 0 }, json.decode(lb:fetch("/").body))
  end)
end)
