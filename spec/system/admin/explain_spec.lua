-- lb explain and lb decisions: how requests went, as text, of an lb that runs or of a log.
local admin = require "spec.support.admin"
local play = require "spec.support.play"

local function command(lb, ...)
  local words = { ... }
  table.insert(words, "--admin")
  table.insert(words, lb.admin)
  return play.lb(words)
end

-- Without times and ids, which are others each time.
local function shape(text)
  return (text:gsub("%d%d:%d%d:%d%d%.%d%d%d", "TIME"):gsub("%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x", "ID")
    :gsub("since [%d.]+ s", "since N s"):gsub("[%d.]+ ms", "N ms"):gsub(" of /%S+", " of SCRIPT"))
end

describe("lb explain", function()
  after_each(play.curtain)

  local function start(settings)
    local dead, good = play.hello "x", play.hello "y"
    local lb = admin.balancer { settings = ([[
      health = { interval = 3600 },
      backends = { { name = "dead", address = %q }, { name = "good", address = %q },
        { name = "down", address = "127.0.0.1:%d" } }, %s
    ]]):format(dead.address, good.address, play.unused_port(), settings or [[
      choose = function(ctx, backends)
        if ctx.path == "/no" then return ctx:reject(429, { why = "too many" }) end
        return backends:min(function(one) return #one.name + (one.name == "dead" and 0 or 0.5) end)
      end,
      on_failure = function() return "next" end,
    ]]) }
    lb:up(dead)
    lb:up(good)
    lb:event("backend_down", { backend = "down" })
    admin.ready(lb)
    dead:refuse()
    return lb
  end

  local function asked(lb, target)
    lb:fetch(target)
    local line = lb:exchange { path = target }
    play.wait("its decision", function() return admin.get(lb, "/decisions/" .. line.id) == 200 end)
    return line
  end

  it("tells each try with what decided", function()
    local lb = start()
    local id = asked(lb, "/x?q=1").id
    local result = command(lb, "explain", id)
    assert.equal(0, result.code, result.err)
    assert.truthy(result.out:find("request " .. id, 1, true))
    assert.equal([[
TIME  GET /x?q=1 from 127.0.0.1, request ID, edition 1 of SCRIPT
  2 of 3 backends are available; down is down since N s: connection refused
  choose  -> dead  by min: dead 4 < good 4.5
     dead refused (connection refused) after N ms  on_failure -> "next"
  choose  -> good  by min: good 4.5
     good answered 200 after N ms
  200 after N ms, the script N ms
]], shape(result.out))
  end)

  it("tells the same of a line of the log, as far as that has it", function()
    local lb = start()
    local refused, line = asked(lb, "/no"), asked(lb, "/x")
    local json = require "dkjson"
    local file = play.file("access.jsonl", json.encode(refused) .. "\nno line\n" .. json.encode(line) .. "\n")
    local result = play.lb { "explain", line.id, "--log", file }
    assert.equal(0, result.code, result.err)
    assert.equal([[
TIME  GET /x from 127.0.0.1, request ID, balancer.lua
  choose  -> dead
     dead refused after N ms
  choose  -> good
     good answered 200 after N ms
  200 after N ms, the script N ms
]], shape(result.out))
    result = play.lb { "explain", refused.id, "--log", file }
    assert.truthy(result.out:find("\n  why: too many\n  429 after", 1, true), result.out)
    result = play.lb { "explain", "0123456789abcdef", "--log", file }
    assert.same({ 1, "" }, { result.code, result.out })
    assert.truthy(result.err:find("no line of a request with that id", 1, true))
    assert.equal(1, play.lb { "explain", "x", "--log", "/nowhere/at/all" }.code)
  end)

  it("finds a request by its id only, whatever texts a line has", function()
    local file = play.file("access.jsonl", [[
{"time":"2026-11-30T12:00:00.000Z","headers":{"id":"0123456789abcdef"},"id":"ffffffffffffffff","tries":[]}
{"path":"\"id\":\"0123456789abcdef\"","id":"eeeeeeeeeeeeeeee","tries":[]}
{"event":"policy_error","id":"0123456789abcdef"}
{"time":"2026-11-30T12:00:01.500Z","id":"0123456789abcdef","path":"/right","status":200,"tries":[],"ms":{"total":1}}
]])
    local result = play.lb { "explain", "0123456789abcdef", "--log", file }
    assert.equal("12:00:01.500 /right, request 0123456789abcdef\n  200 after 1 ms\n", result.out)
  end)

  it("lets no text move the terminal, or forge a line", function()
    local lb = start [[
      choose = function(ctx, backends)
        ctx:explain("\27[2Jkey", "a\r\nb\27]0;x\7")
        return ctx:reject(403, { why = "no\27[31m\nforged" })
      end,
    ]]
    local id = asked(lb, "/\\x1b[2J%1b?\\n").id
    for _, words in ipairs { { "explain", id }, { "decisions" } } do
      local result = command(lb, unpack(words))
      assert.equal(0, result.code)
      assert.is_nil(result.out:find "[%z\1-\9\11-\31\127-\255]", result.out)
      assert.truthy(result.out:find("no\\x1b[31m", 1, true) or result.out:find("no\\u001b[31m", 1, true), result.out)
      assert.is_nil(result.out:find "\nforged", result.out)
    end
    local log = play.file("access.jsonl", '{"id":"0123456789abcdef","path":"\\u001b[2J\\u009b\\n",'
      .. '"status":\27[2J,"tries":[{"backend":"\27"}]}')
    local result = play.lb { "explain", "0123456789abcdef", "--log", log }
    assert.equal(0, result.code, result.err)
    assert.is_nil(result.out:find "[%z\1-\9\11-\31\127-\255]", result.out)
  end)

  it("says what a request that is not kept may be, and refuses wrong words", function()
    local lb = start()
    local result = command(lb, "explain", "0123456789abcdef")
    assert.equal(1, result.code)
    assert.truthy(result.err:find("is not kept", 1, true), result.err)
    assert.truthy(play.lb({ "explain" }).err:find("expected lb explain ID", 1, true))
    result = command(lb, "decisions", "statuss=5xx")
    assert.equal(1, result.code)
    assert.truthy(result.err:find("did you mean status?", 1, true), result.err)
  end)

  it("is preceded by lb decisions, which has a line for each, the newest last", function()
    local lb = start()
    asked(lb, "/no")
    asked(lb, "/x")
    local result = command(lb, "decisions")
    assert.equal(0, result.code, result.err)
    assert.equal([[
TIME  ID  429 N ms  GET /no  (too many)
TIME  ID  200 N ms  GET /x  dead refused -> good
]], shape(result.out))
    assert.equal("TIME  ID  200 N ms  GET /x  dead refused -> good\n",
      shape(command(lb, "decisions", "backend=good", "last=5").out))
    assert.equal("", command(lb, "decisions", "status=404").out)
  end)
end)
