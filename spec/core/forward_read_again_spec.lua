-- A head that lb forwards is read as lb wrote it: random heads, which lb's parser reads again.
local forwarded = require "spec.support.forwarded_heads"
local http = require "spec.support.http"

local request, response = forwarded.request, forwarded.response

describe("a head that is forwarded", function()
  local NAMES = {
    "Host", "A", "X-B", "Connection", "Keep-Alive", "Via", "TE", "X-Forwarded-For", "Content-Length", "Upgrade",
    "Trailer", "Forwarded", "X-Forwarded-Proto", "X_Forwarded_For", "Max-Forwards", "Proxy-Authorization",
    "Content_Length",
  }
  local VALUES = {
    "", "a", "close", "A, x-b", "host", "b  c", "\"q, r\"", "\195\188", "trailers", "a/1,b", "h2c", ",", "upgrade, te",
  }
  local function flag() return math.random() < 0.5 end

  local function field() return NAMES[math.random(#NAMES)] .. ": " .. VALUES[math.random(#VALUES)] end

  local function count(fields, wanted)
    local found = 0
    for _, line in ipairs(fields) do
      if line:match "^[^:]*":lower() == wanted then found = found + 1 end
    end
    return found
  end

  it("is a head that is read as it was written", function()
    math.randomseed(5)
    for _ = 1, 4000 do
      local given = { method = "POST", framing = "counted", length = 0, trusted = flag(), forwarded = flag(),
        upgrade = flag(), max_forwards = flag() and 3 or nil }
      for i = 1, math.random(0, 8) do given[i] = field() end
      local lines = request(given)
      local seen = http.read(table.concat(lines, "\r\n") .. "\r\n\r\n", function(at) return at + 7 end, {})
      assert.same({ "end", "POST / 1.1", "" }, { seen.result, seen.head, seen.rest })
      assert.same({ unpack(lines, 2) }, seen.fields)
      assert.equal(1, count(lines, "content-length"))
      assert.equal(1, count(lines, "x-forwarded-for"))
      assert.equal(0, count(lines, "content_length"))
      assert.is_true(count(lines, "connection") <= 1 and count(lines, "te") <= 1 and count(lines, "upgrade") <= 1)
    end
  end)

  it("is one of a response that is read as it was written", function()
    math.randomseed(6)
    for _ = 1, 4000 do
      local given = { status = ({ 200, 404, 426 })[math.random(3)], reason = "a b", framing = "counted", length = 0,
        closes = flag(), client = flag() and "1.0" or "1.1" }
      for i = 1, math.random(0, 8) do given[i] = field() end
      local lines = response(given)
      local seen = http.read(table.concat(lines, "\r\n") .. "\r\n\r\n", function(at) return at + 7 end,
        { response = true })
      assert.same({ "end", "1.1 " .. given.status .. " a b", "" }, { seen.result, seen.head, seen.rest })
      assert.same({ unpack(lines, 2) }, seen.fields)
      assert.equal(1, count(lines, "content-length"))
      assert.is_true(count(lines, "connection") <= 1)
    end
  end)
end)
