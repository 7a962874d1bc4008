-- What is believed of the client and the protocol that a trusted peer names.
local ffi = require "ffi"
local core = require "spec.support.core"
local http = require "spec.support.http"

ffi.cdef [[
struct trust_overrides;
struct config *trust_config_load(const char *name, struct slice source, const struct trust_overrides *,
                                 struct segment *, struct buffer *error) __asm__("config_load_text");
void trust_config_free(struct config *) __asm__("config_free");
bool trust_find_client(const struct config *, const struct head_seen *, uint8_t *out);
bool trust_is_https(const struct head_seen *);
void trust_format_host(struct buffer *, const uint8_t *) __asm__("address_format_host");
]]

local function text_of(buffer)
  local text = ffi.string(buffer.bytes + buffer.start, tonumber(buffer["end"] - buffer.start))
  core.buffer_dispose(buffer)
  return text
end

describe("the client of a trusted peer", function()
  local segment, config

  setup(function()
    local source = [[return {
      backends = "a:1", trusted_proxies = { "10.0.0.0/8", "2001:db8::/32", "192.0.2.1" },
    }]]
    local err = ffi.new "struct buffer"
    segment = core.segment_new()
    config = core.trust_config_load("t.lua", ffi.new("struct slice", source, #source), nil, segment, err)
    assert(config ~= nil, config == nil and text_of(err))
  end)
  teardown(function()
    core.trust_config_free(config)
    core.segment_free(segment)
  end)

  -- As an address, or nil: nothing is said.
  local function client(...)
    local head, held = http.head { ... }
    local out = ffi.new "uint8_t[28]"
    if not core.trust_find_client(config, head, out) then return nil, held end
    local buffer = ffi.new "struct buffer"
    core.trust_format_host(buffer, out)
    return (text_of(buffer):gsub("^::ffff:(%d+%.)", "%1")), held
  end

  local cases = { -- X-Forwarded-For, the client
    { "198.51.100.7", "198.51.100.7" },
    { "  198.51.100.7\t", "198.51.100.7" },
    { "2001:470::1", "2001:470::1" },
    { "2001:470:0:0:0:0:0:1", "2001:470::1" },
    { "[2001:470::1]", "2001:470::1" },
    { "[2001:470::1]:443", "2001:470::1" },
    { "198.51.100.7:65535", "198.51.100.7" },
    { "::ffff:198.51.100.7", "198.51.100.7" },
    { "203.0.113.9, 198.51.100.7", "198.51.100.7" },
    { "203.0.113.9, 198.51.100.7, 10.0.0.1", "198.51.100.7" },
    { "203.0.113.9, 198.51.100.7, 10.0.0.1, 192.0.2.1, [2001:db8::9]:1", "198.51.100.7" },
    { "203.0.113.9,198.51.100.7,,10.0.0.1, ", "198.51.100.7" },
    { "10.0.0.3, 10.0.0.2, 10.0.0.1", "10.0.0.3" },
    { "10.0.0.1", "10.0.0.1" },
    { "::ffff:10.0.0.3, 198.51.100.7, ::ffff:10.0.0.1", "198.51.100.7" },
    { "198.51.100.7, unknown, 10.0.0.1", "10.0.0.1" },
    { "198.51.100.7, _hidden", nil },
    { "198.51.100.7, 10.0.0.256", nil },
    { "198.51.100.7, 10.0.0.1:", nil },
    { "198.51.100.7, 10.0.0.1:123456", nil },
    { "198.51.100.7, 10.0.0.1:8o", nil },
    { "198.51.100.7, [10.0.0.1]", nil },
    { "198.51.100.7, [::1", nil },
    { "198.51.100.7, [::1]443", nil },
    { "198.51.100.7, [::1%lo]", nil },
    { "198.51.100.7, fe80::1%eth0", nil },
    { "198.51.100.7, \"10.0.0.1\"", nil },
    { "198.51.100.7, 10.0.0.1 10.0.0.2", nil },
    { "198.51.100.7, 010.0.0.1", nil },
    { "198.51.100.7, 0x0a000001", nil },
    { "198.51.100.7, " .. ("1"):rep(300), nil },
    { "", nil },
    { " , ,", nil },
  }
  for _, case in ipairs(cases) do
    local value, expected = unpack(case)
    it(("of %q is %s"):format(value, expected or "the peer"), function()
      assert.equal(expected, (client("Host: x", "X-Forwarded-For: " .. value)))
    end)
  end

  it("is the peer without the field", function() assert.is_nil((client("Host: x"))) end)

  it("is looked for in all lines, which are one list", function()
    assert.equal("198.51.100.7", (client("X-Forwarded-For: 203.0.113.9, 198.51.100.7", "Host: x",
      "x-forwarded-for: 10.0.0.2", "X-FORWARDED-FOR: ", "X-Forwarded-For: 10.0.0.1, 10.0.0.1")))
    assert.equal("10.0.0.1", (client("X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: no",
      "X-Forwarded-For: 10.0.0.1")))
  end)

  it("is in no field of another name", function()
    assert.is_nil((client("X-Forwarded-Fo: 198.51.100.7", "X_Forwarded_For: 198.51.100.7",
      "Forwarded: for=198.51.100.7", "X-Real-IP: 198.51.100.7")))
  end)
end)

describe("a trusted peer's X-Forwarded-Proto", function()
  local function is_https(...)
    local head, held = http.head { ... }
    return core.trust_is_https(head), held
  end

  it("says https by that word, in any letter case", function()
    assert.is_true((is_https "X-Forwarded-Proto: HttpS"))
    assert.is_true((is_https("Host: x", "X-Forwarded-Proto: https")))
    assert.is_true((is_https("x-forwarded-proto:  https ")))
    for _, value in ipairs { "http", "https:", "wss", "", "\"https\"", "https x" } do
      assert.is_false((is_https("X-Forwarded-Proto: " .. value)), value)
    end
    assert.is_false((is_https("Host: x")))
  end)

  it("counts by the last of several", function()
    assert.is_true((is_https("X-Forwarded-Proto: http, https")))
    assert.is_false((is_https("X-Forwarded-Proto: https, http")))
    assert.is_true((is_https("X-Forwarded-Proto: http", "X-Forwarded-Proto: https")))
    assert.is_false((is_https("X-Forwarded-Proto: https", "X-Forwarded-Proto: http")))
  end)
end)
