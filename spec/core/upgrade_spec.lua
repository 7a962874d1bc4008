-- Whether a 101 agrees to what the request asked for.
local ffi = require "ffi"
local core = require "spec.support.forward"
local http = require "spec.support.http"

ffi.cdef "bool upgrade_agrees(const struct head_seen *, const struct head_seen *);"

describe("a switch of protocols", function()
  local cases = { -- Upgrade fields of the request, of the 101, whether they agree
    { { "websocket" }, { "websocket" }, true },
    { { "WebSocket" }, { "wEBsocket" }, true },
    { { "a, b/2, c" }, { "B/2" }, true },
    { { "a", "b" }, { "b" }, true },
    { { "h2c, a" }, { "a" }, true },
    { { "a" }, { "", "a", " , " }, true },
    { { "a,a" }, { "a" }, true },
    { { "a" }, { "b" }, false },
    { { "a" }, {}, false },
    { { "a" }, { "" }, false },
    { {}, { "a" }, false },
    { { "" }, { "" }, false },
    { { "a, b" }, { "a, b" }, false },
    { { "a, b" }, { "a", "b" }, false },
    { { "a" }, { "a, a" }, false },
    { { "a" }, { "a, b" }, false },
    { { "a" }, { "a/1" }, false },
    { { "a/1" }, { "a" }, false },
    { { "a/1" }, { "a/2" }, false },
    { { "ab" }, { "a" }, false },
    { { "a" }, { "ab" }, false },
    { { "h2c" }, { "h2c" }, false },
    { { "h2c, a" }, { "H2C" }, false },
    { { "h2c/1" }, { "h2c/1" }, false },
  }
  for _, case in ipairs(cases) do
    local offered, chosen, expected = unpack(case)
    local function head(values)
      local given = { "Connection: upgrade", "X: a" }
      for i, value in ipairs(values) do table.insert(given, (i % 2 == 0 and "upgrade: " or "Upgrade: ") .. value) end
      return http.head(given)
    end
    it(("to { %s } of { %s } is %s"):format(table.concat(chosen, " | "), table.concat(offered, " | "),
      expected and "agreed upon" or "not agreed upon"), function()
      local request_head, kept = head(offered)
      local response_head, kept_too = head(chosen)
      assert.equal(expected, core.upgrade_agrees(request_head, response_head))
      assert(kept and kept_too)
    end)
  end
end)
