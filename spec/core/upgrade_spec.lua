-- Whether a 101 agrees to what the request asked for.
local ffi = require "ffi"
local core = require "spec.support.forward"
local http = require "spec.support.http"

ffi.cdef [[
bool upgrade_agrees(const struct head_seen *, const struct head_seen *);
void websocket_make_key(char key[24]);
void websocket_accept(struct slice key, char accept[28]);
]]

-- RFC 6455, 1.3.
local KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

describe("the key of a WebSocket", function()
  it("has the answer of RFC 6455", function()
    local accept = ffi.new "char[28]"
    core.websocket_accept(http.slice(KEY), accept)
    assert.equal(ACCEPT, ffi.string(accept, 28))
  end)

  it("is 16 bytes in base64, others each time", function()
    local one, two = ffi.new "char[24]", ffi.new "char[24]"
    core.websocket_make_key(one)
    core.websocket_make_key(two)
    assert.matches("^" .. ("[%w+/]"):rep(21) .. "[AQgw]==$", ffi.string(one, 24))
    assert.are_not.equal(ffi.string(one, 24), ffi.string(two, 24))
  end)

  it("must be answered for a client of HTTP/2, which cannot check that", function()
    local function agrees(version, key, accept)
      local request, kept = http.head { method = "GET", target = "/", version = version, "Upgrade: websocket", key }
      local response, kept_too = http.head { status = 101, "Upgrade: websocket", "Connection: Upgrade", accept }
      local is_agreed = core.upgrade_agrees(request, response)
      assert(kept and kept_too)
      return is_agreed
    end
    local key, accept = "Sec-WebSocket-Key: " .. KEY, "Sec-WebSocket-Accept: " .. ACCEPT
    assert.is_true(agrees("2", key, accept))
    assert.is_false(agrees("2", key, "Sec-WebSocket-Accept: " .. ACCEPT:lower()))
    assert.is_false(agrees("2", key))
    assert.is_false(agrees("2", "Sec-WebSocket-Key: " .. KEY:sub(2), accept))
    assert.is_true(agrees("1.1", key))
  end)
end)

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
