-- Modules in the running program: every worker runs the texts that were checked at the start.
local luv = require "luv"
local play = require "spec.support.play"
local process = require "spec.support.process"

describe("a required module", function()
  after_each(play.curtain)

  it("from a file decides in every worker, and in a worker that starts later, whatever the file holds then", function()
    local module = process.file("chosen.lua", "return { why = 'checked' }")
    local script = process.file("balancer.lua", [[
      local chosen = require "chosen"
      return {
        health = { interval = 0.2, timeout = 5 },
        choose = function(ctx, backends) return backends[1], { why = chosen.why } end,
      }
    ]])
    assert.equal(module:match "^.*/", script:match "^.*/")
    local one = play.hello "one"
    local lb = play.balancer { file = script, backends = { one }, workers = 1, may_lose_workers = true }
    assert.equal("one", lb:fetch("/before").body)
    assert.equal("checked", lb:exchange({ path = "/before" }).why)

    local file = assert(io.open(module, "w"))
    file:write "this is no Lua"
    file:close()
    local before = lb:children()
    for _, pid in ipairs(before) do luv.kill(pid, "sigkill") end
    lb:event "worker_died"
    play.wait("both to be replaced", function()
      local now = lb:children()
      return #now == 2 and now[1] ~= before[1] and now[2] ~= before[2]
    end)
    assert.equal("one", lb:fetch("/after").body)
    assert.equal("checked", lb:exchange({ path = "/after" }).why)
  end)

  it("of lb itself needs no file", function()
    local one, two = play.hello "one", play.hello "two"
    local lb = play.balancer { script = 'return require "round_robin"', backends = { one, two } }
    local seen = {}
    for i = 1, 4 do seen[i] = lb:fetch("/").body end
    assert.same({ "one", "two", "one", "two" }, seen)
  end)

  it("is named, with its own line, when it fails in a hook", function()
    for name, text in pairs {
      ["raises.lua:3: of its own"] = "\nreturn function()\nerror 'of its own' end",
      ["loops.lua:2: used more than its"] = "return function()\nwhile true do end end",
      ["answers.lua:4: choose returned"] = "\n\n\nreturn function() return 5 end",
    } do
      local module = name:match "^%w+"
      process.file(module .. ".lua", text)
      local lb = play.balancer {
        file = process.file("of_" .. module .. ".lua", ("return { choose = require '%s' }"):format(module)),
        backends = { play.hello "one" },
      }
      assert.equal(200, lb:fetch("/").status)
      local event = lb:event "policy_error"
      assert.truthy(event.message:find(name, 1, true), event.message)
      assert.equal(tonumber(name:match ":(%d+):"), event.line)
    end
  end)
end)
