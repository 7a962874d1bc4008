-- The man pages, as mandoc reads them.
local play = require "spec.support.play"

describe("a man page", function()
  after_each(play.curtain)

  for _, page in ipairs { "infra/man/lb.1", "infra/man/balancer.lua.5" } do
    it("is without a complaint of mandoc's: " .. page, function()
      local result = play.run { "mandoc", "-T", "lint", page }
      -- It looks for the other page in the system's folders.
      local said = result.out:gsub("[^\n]*referenced manual not found: Xr %S+ %d[^\n]*\n", "")
      assert.same({ "", "" }, { said, result.err })
    end)
  end
end)
