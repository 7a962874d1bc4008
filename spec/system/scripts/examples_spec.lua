-- Every example of the pages, except specs, in a running lb: a request goes through it, and no hook
-- of it fails. spec/policy/examples_spec.lua checks that none is left out.
local certificates = require "spec.support.certificates"
local examples = require "spec.support.examples"
local pages = require "spec.support.pages"
local json = require "dkjson"
local play = require "spec.support.play"

for _, path in ipairs(pages.with_examples) do
  describe("the examples of " .. path, function()
    after_each(play.curtain)

    for _, example in ipairs(examples.of(path)) do
      if example.script then
        it(("run: line %d"):format(example.line), function()
          local backends = { play.hello "one", play.hello "two", play.hello "three" }
          local options = { name = "example", script = example.script, backends = backends }
          if example.script:find("lb.crt", 1, true) then -- paths begin where lb is started
            options.cwd = certificates.new({ names = { "localhost" }, name = "lb" }).cert:match "^(.*)/"
          end
          local lb = play.balancer(options)
          for i = 1, 3 do
            assert.truthy(lb:fetch("/" .. i).status)
            lb:exchange(nil, i)
          end
          local failed = lb:events "policy_error"
          assert.equal(0, #failed, json.encode(failed) .. "\n" .. example.text)
        end)
      end
    end
  end)
end
