-- Where a message ends, and whether the parser agrees with that.
local ffi = require "ffi"
local http = require "spec.support.http"
local core = require "spec.support.core"

ffi.cdef [[
int framing_of_request(const struct head_seen *, uint64_t *length);
int framing_of_response(const struct head_seen *, bool answers_head, uint64_t *length);
const char *framing_fault_text(const struct head_seen *);
]]

local FRAMINGS = { [0] = "none", "counted", "chunked", "until close", "refused" }

-- "none", "counted 5", "chunked", "until close" or "refused"
local function named(framing, length)
  framing = FRAMINGS[framing]
  return framing == "counted" and "counted " .. tostring(length[0]):gsub("ULL$", "") or framing
end

local function of_request(head)
  local length = ffi.new("uint64_t[1]", 77)
  return named(core.framing_of_request(head, length), length)
end

local function of_response(head, answers_head)
  local length = ffi.new("uint64_t[1]", 77)
  return named(core.framing_of_response(head, answers_head or false, length), length)
end

local function title(given)
  return given.version .. (given.status and " " .. given.status or "") .. " with " ..
    (#given > 0 and table.concat(given, ", ") or "no field")
end

describe("the end of a request", function()
  local cases = {
    { {}, "none" },
    { { "Host: x" }, "none" },
    { { "Content-Length: 0" }, "counted 0" },
    { { "Content-Length: 5" }, "counted 5" },
    { { "content-LENGTH: 0005" }, "counted 5" },
    { { "Content-Length: 9223372036854775807" }, "counted 9223372036854775807" },
    { { "Content-Length: 009223372036854775807" }, "counted 9223372036854775807" },
    { { "Content-Length: 9223372036854775808" }, "refused" },
    { { "Content-Length: 18446744073709551615" }, "refused" },
    { { "Content-Length: 18446744073709551616" }, "refused" },
    { { "Content-Length: 18446744073709551620" }, "refused" },
    { { "Content-Length: 99999999999999999999999" }, "refused" },
    { { "Content-Length: " }, "refused" },
    { { "Content-Length: x" }, "refused" },
    { { "Content-Length: 5x" }, "refused" },
    { { "Content-Length: 0x5" }, "refused" },
    { { "Content-Length: +5" }, "refused" },
    { { "Content-Length: -5" }, "refused" },
    { { "Content-Length: 5.0" }, "refused" },
    { { "Content-Length: 5 5" }, "refused" },
    { { "Content-Length: 5,5" }, "refused" },
    { { "Content-Length: 5, 6" }, "refused" },
    { { "Content-Length: \"5\"" }, "refused" },
    { { "Content-Length: 5\0" }, "refused" },
    { { "Content-Length: \194\185" }, "refused" },
    { { "Content-Length: 5", "Content-Length: 5" }, "refused" },
    { { "Content-Length: 5", "Host: x", "content-length: 6" }, "refused" },
    { { "Content-Length: 5", "Content-Length: " }, "refused" },
    { { "Content_Length: 5" }, "none" },
    { { "Content-Length2: 5" }, "none" },
    { { "Transfer-Encoding: chunked" }, "chunked" },
    { { "transfer-encoding: ChunkeD" }, "chunked" },
    { { "Transfer-Encoding: " }, "refused" },
    { { "Transfer-Encoding: identity" }, "refused" },
    { { "Transfer-Encoding: gzip" }, "refused" },
    { { "Transfer-Encoding: gzip, chunked" }, "refused" },
    { { "Transfer-Encoding: chunked, gzip" }, "refused" },
    { { "Transfer-Encoding: chunked, chunked" }, "refused" },
    { { "Transfer-Encoding: chunked,chunked" }, "refused" },
    { { "Transfer-Encoding: chunked," }, "refused" },
    { { "Transfer-Encoding: , chunked" }, "refused" },
    { { "Transfer-Encoding: chunked;q=1" }, "refused" },
    { { "Transfer-Encoding: \"chunked\"" }, "refused" },
    { { "Transfer-Encoding: chunked\0" }, "refused" },
    { { "Transfer-Encoding: chunked\11" }, "refused" },
    { { "Transfer-Encoding: xchunked" }, "refused" },
    { { "Transfer-Encoding: chunkedx" }, "refused" },
    { { "Transfer-Encoding: chunke" }, "refused" },
    { { "Transfer-Encoding: chunked", "Transfer-Encoding: chunked" }, "refused" },
    { { "Transfer-Encoding: chunked", "Transfer-Encoding: identity" }, "refused" },
    { { "Transfer-Encoding: gzip", "Transfer-Encoding: chunked" }, "refused" },
    { { "Transfer-Encoding: chunked", "Content-Length: 5" }, "refused" },
    { { "Content-Length: 5", "Transfer-Encoding: chunked" }, "refused" },
    { { "Content-Length: 0", "Transfer-Encoding: identity" }, "refused" },
    { { "Transfer-Encoding: chunked", version = "1.0" }, "refused" },
    { { "Transfer-Encoding: gzip", version = "1.0" }, "refused" },
    { { "Content-Length: 5", version = "1.0" }, "counted 5" },
    { { version = "1.0" }, "none" },
  }
  for _, case in ipairs(cases) do
    local given, expected = unpack(case)
    given.version = given.version or "1.1"
    it(("of %s is %s"):format(title(given), expected), function()
      local head, kept = http.head(given)
      assert.equal(expected, of_request(head))
      assert(kept)
    end)
  end
end)

describe("the end of a response", function()
  local cases = { -- head, framing, and that of the answer to HEAD, "none" where it is not said
    { {}, "until close" },
    { { "Content-Length: 5" }, "counted 5" },
    { { "Content-Length: 0" }, "counted 0" },
    { { "Content-Length: 5", "Content-Length: 5" }, "refused", "refused" },
    { { "Content-Length: 5", "Content-Length: 6" }, "refused", "refused" },
    { { "Content-Length: 5,5" }, "refused", "refused" },
    { { "Content-Length: -5" }, "refused", "refused" },
    { { "Content-Length: " }, "refused", "refused" },
    { { "Content-Length: 18446744073709551616" }, "refused", "refused" },
    { { "Transfer-Encoding: chunked" }, "chunked" },
    { { "Transfer-Encoding: CHUNKED" }, "chunked" },
    { { "Transfer-Encoding: gzip" }, "refused", "refused" },
    { { "Transfer-Encoding: gzip, chunked" }, "refused", "refused" },
    { { "Transfer-Encoding: chunked", "Transfer-Encoding: chunked" }, "refused", "refused" },
    { { "Transfer-Encoding: chunked", "Content-Length: 5" }, "refused", "refused" },
    { { "Transfer-Encoding: chunked", version = "1.0" }, "refused", "refused" },
    { { status = 204, "Transfer-Encoding: chunked", version = "1.0" }, "refused", "refused" },
    { { "Content-Length: 5", version = "1.0" }, "counted 5" },
    { { version = "1.0" }, "until close" },
    { { status = 199, "Content-Length: 5" }, "none" },
    { { status = 100 }, "none" },
    { { status = 204 }, "none" },
    { { status = 204, "Content-Length: 5" }, "none" },
    { { status = 304, "Content-Length: 5" }, "none" },
    { { status = 304, "Transfer-Encoding: chunked" }, "none" },
    { { status = 204, "Content-Length: 5", "Content-Length: 6" }, "refused", "refused" },
    { { status = 200, "Content-Length: 5" }, "counted 5" },
    { { status = 205 }, "until close" },
    { { status = 404 }, "until close" },
    { { status = 500, "Transfer-Encoding: chunked" }, "chunked" },
  }
  for _, case in ipairs(cases) do
    local given, expected, to_head = unpack(case)
    given.version, given.status = given.version or "1.1", given.status or 200
    it(("of %s is %s"):format(title(given), expected), function()
      local head, kept = http.head(given)
      assert.equal(expected, of_response(head))
      assert.equal(to_head or "none", of_response(head, true))
      assert(kept)
    end)
  end
end)

-- Two readers of one message: a head that we do not refuse has the end that the parser finds.
describe("the parser finds the end that was decided on", function()
  local CODINGS = {
    "", "Transfer-Encoding: chunked\r\n", "Transfer-Encoding:CHUNKED \r\n", "transfer-encoding: \tChunked\r\n",
    "Transfer-Encoding: chunked,\r\n", "Transfer-Encoding: ,chunked\r\n", "Transfer-Encoding: chunked;q=1\r\n",
    "Transfer-Encoding: chunked, chunked\r\n", "Transfer-Encoding: identity\r\n", "Transfer-Encoding: gzip\r\n",
    "Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: chunked, gzip\r\n", "Transfer-Encoding:\r\n",
    "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: chunkedx\r\n", "Transfer-Encoding: \"chunked\"\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "Transfer_Encoding: chunked\r\n",
    "XTransfer-Encoding: chunked\r\n", "Transfer-Encoding2: chunked\r\n",
  }
  local LENGTHS = {
    "", "Content-Length: 0\r\n", "Content-Length:5\r\n", "content-length: 005 \r\n", "CONTENT-LENGTH: 5\t\r\n",
    "Content-Length: 5, 5\r\n", "Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length:\r\n",
    "Content-Length: 0x5\r\n", "Content-Length: +5\r\n", "Content-Length: 5 5\r\n", "Content_Length: 5\r\n",
    "XContent-Length: 5\r\n", "Content-Length2: 5\r\n", "Content-Length: 18446744073709551621\r\n",
  }
  local OTHERS = { "", "Connection: close\r\n", "Connection: Upgrade\r\nUpgrade: h2c\r\n" }
  local BODY = "5\r\nhello\r\n0\r\n\r\nNEXT"
  local EXPECTED = { -- the body, and what is behind it
    ["none"] = { "", BODY },
    ["counted 0"] = { "", BODY },
    ["counted 5"] = { BODY:sub(1, 5), BODY:sub(6) },
    ["chunked"] = { "hello", "NEXT" },
    ["until close"] = { BODY, "" },
  }

  -- framing(head) and options as for http.read. Gives how many messages had which end.
  local function compare(line, options, framing)
    local counts = { refused = 0 }
    local function note(what) counts[what] = (counts[what] or 0) + 1 end
    for _, coding in ipairs(CODINGS) do
      for _, length in ipairs(LENGTHS) do
        for _, other in ipairs(OTHERS) do
          for _, fields in ipairs { coding .. length .. other, other .. length .. coding } do
            local bytes = line .. "\r\n" .. fields .. "\r\n" .. BODY
            local decided
            options.on_head = function(head) decided = framing(head) end
            local seen = http.read(bytes, function() return #bytes end, options)
            if decided and decided ~= "refused" then
              assert.same({ bytes, decided, "end", unpack(EXPECTED[decided]) },
                { bytes, decided, seen.result, seen.body, seen.rest })
            end
            note(decided or "refused")
          end
        end
      end
    end
    return counts
  end

  local function assert_reached(counts, names)
    for _, name in ipairs(names) do assert.is_true((counts[name] or 0) > 0, name) end
  end

  for _, method in ipairs { "GET", "POST", "HEAD" } do
    it("in requests of the method " .. method, function()
      local counts = compare(method .. " / HTTP/1.1", {}, of_request)
      assert_reached(counts, { "none", "counted 0", "counted 5", "chunked", "refused" })
      counts = compare(method .. " / HTTP/1.0", {}, of_request)
      assert_reached(counts, { "none", "counted 0", "counted 5", "refused" })
      assert.is_nil(counts.chunked)
    end)
  end

  for _, status in ipairs { 200, 404, 500, 205 } do
    it("in responses that say " .. status, function()
      local options = { response = true, finish = true }
      local counts = compare("HTTP/1.1 " .. status .. " OK", options, of_response)
      assert_reached(counts, { "until close", "counted 0", "counted 5", "chunked", "refused" })
      counts = compare("HTTP/1.0 " .. status .. " OK", options, of_response)
      assert_reached(counts, { "until close", "counted 0", "counted 5", "refused" })
      assert.is_nil(counts.chunked)
    end)
  end

  for _, status in ipairs { 100, 101, 103, 204, 304 } do
    it("in responses that say " .. status .. " and have no body", function()
      local counts = compare("HTTP/1.1 " .. status .. " OK", { response = true }, of_response)
      assert_reached(counts, { "none", "refused" })
      for name in pairs(counts) do assert.is_true(name == "none" or name == "refused", name) end
    end)
  end

  it("in responses to HEAD", function()
    local counts = compare("HTTP/1.1 200 OK", { response = true, answers_head = true },
      function(head) return of_response(head, true) end)
    assert_reached(counts, { "none", "refused" })
  end)
end)

describe("the text for a length that is refused", function()
  local MANY = "more than one "
  local texts = {
    { "1.1", { "Transfer-Encoding: chunked", "Transfer-Encoding: chunked" }, MANY .. "Transfer-Encoding" },
    { "1.1", { "Content-Length: 5", "Content-Length: 5" }, MANY .. "Content-Length" },
    { "1.1", { "Content-Length: 5", "Transfer-Encoding: chunked" }, "both Transfer-Encoding and Content-Length" },
    { "1.0", { "Transfer-Encoding: chunked" }, "a Transfer-Encoding in HTTP/1.0" },
    { "1.1", { "Transfer-Encoding: gzip" }, "a Transfer-Encoding that is not chunked" },
    { "1.1", { "Content-Length: 5, 5" }, "a Content-Length that is no number of bytes" },
    { "1.1", { "Content-Length: 9223372036854775808" }, "a Content-Length above 2^63 - 1" },
  }
  for _, case in ipairs(texts) do
    local version, fields, text = unpack(case)
    it(("names the field: %s with %s"):format(version, table.concat(fields, ", ")), function()
      fields.version, fields.status = version, 200
      local head, kept = http.head(fields)
      assert.equal("refused", of_response(head))
      assert.equal(text, ffi.string(core.framing_fault_text(head)))
      assert(kept)
    end)
  end
end)
