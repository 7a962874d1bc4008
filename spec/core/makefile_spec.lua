-- `make help` names every target that a person calls.
local read = require("spec.support.files").read

local NOT_CALLED = { always = true, complain = true }     -- make itself needs them

describe("make help", function()
  it("lists each target once, with a line of its own", function()
    local pipe = assert(io.popen "make --no-print-directory help 2>&1")
    local listed = {}
    for line in pipe:lines() do
      local name, what = line:match "^make ([%l-]+)%s+(%S.*)$"
      assert.truthy(name, line)
      assert.is_nil(listed[name], name .. " is listed twice")
      assert.truthy(#what > 10, line)
      listed[name] = true
    end
    pipe:close()
    local makefile = read("Makefile"):gsub("\\\n", " ")
    for names in makefile:gmatch "\n%.PHONY: ([^\n]*)" do
      for name in names:gmatch "%S+" do
        assert.truthy(listed[name] or NOT_CALLED[name], "make help does not list " .. name)
        listed[name] = nil
      end
    end
    assert.same({}, listed)                                -- a target that is not .PHONY
  end)
end)
