-- Every example of the pages: it loads, `lb check` finds nothing wrong with it, and its
-- hooks run with what spec/support builds. spec/system/scripts/examples_spec.lua
-- sends requests through them.
local certificates = require "spec.support.certificates"
local examples = require "spec.support.examples"
local pages = require "spec.support.pages"
local outcome = require "spec.support.outcome"
local pool = require("spec.support.backend").pool
local process = require "spec.support.process"
local balancer = require "spec.support.balancer"
local request = require "spec.support.request"
local script = require "spec.support.script"

local function three() return pool { "app1", "app2", "app3" } end

-- What each hook is called with, as in a request that fares badly.
local RESULT = { status = 200, backend = "app1", ms = 1.5, bytes_in = 0, bytes_out = 10, attempts = 1, retries = 0 }
local arguments = {
  init = function() end,
  choose = function(backends) return request {}, backends end,
  on_response = function(backends) return request {}, backends[1], outcome.response { status = 503 } end,
  on_failure = function(backends)
    return request {}, backends[1], outcome.failure { kind = "timeout", phase = "head" }
  end,
  on_done = function() return request { result = RESULT } end,
  health = function(backends) return backends[1] end,
  on_health = function(backends) return backends[1], false, "refused" end,
}

local function run_hooks(policy)
  for name, of in pairs(arguments) do
    local hook = policy[name]
    if name == "health" and type(hook) == "table" then hook = hook.check end
    if type(hook) == "function" then hook(of(three())) end
  end
end

local function run_spec(example)
  local ran = 0
  local function run(_, body)
    ran = ran + 1
    body()
  end
  local frame = { assert = assert, describe = run, it = run, before_each = function(body) body() end }
  setmetatable(frame, { __index = _G })
  setfenv(assert(loadstring(example.text, "=example")), frame)()
  assert.is_true(ran > 0)
end

local function is_in_order(example)
  local file = process.file("example.lua", example.script)
  local command = balancer.command { "check", file }
  if example.text:find("lb.crt", 1, true) then
    certificates.new { names = { "localhost" }, name = "lb" }
    command.cwd = process.directory()
  end
  local said = process.run(command)
  assert.equal(0, said.code, said.err .. "\n" .. example.text)
end

for _, path in ipairs(pages.with_examples) do
  describe("the examples of " .. path, function()
    teardown(process.clear)

    local found, ran = examples.of(path), 0
    for _, example in ipairs(found) do
      it(("line %d: %s"):format(example.line, example.kind), function()
        if example.kind == "spec" then
          run_spec(example)
        else
          local policy, world = script.load_text(example.script)
          world.verify = function() return true end
          run_hooks(policy)
          is_in_order(example)
        end
        ran = ran + 1
      end)
    end

    it("have all been run", function()
      assert.is_true(ran > 0)
      assert.equal(examples.count(path), ran)
    end)
  end)
end
