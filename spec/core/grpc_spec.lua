-- What a gRPC call says in its head, and what an answer to one says.
local ffi = require "ffi"
local http = require "spec.support.http"
local core = require "spec.support.core"

ffi.cdef [[
struct grpc_call { struct slice service, method; uint64_t timeout_ms; };
bool grpc_is(const struct head *);
void grpc_read(struct grpc_call *, const struct head *, struct slice path);
bool grpc_timeout_read(struct slice, uint64_t *ms);
struct slice grpc_timeout_write(char *room, uint64_t ms);
unsigned grpc_status_of(unsigned http_status);
int grpc_status_in(const struct head *);
int grpc_status_in_lines(struct slice lines);
struct slice grpc_message(struct arena *, struct slice text);
]]

local function text_of(slice) return ffi.string(slice.start, slice.length) end

local kept = {} -- what the heads borrow

local function head_of(method, ...)
  local head, borrowed = http.head { method = method, ... }
  kept[#kept + 1] = borrowed
  return ffi.cast("const struct head *", head)
end

describe("a request is a gRPC call", function()
  for _, type in ipairs {
    "application/grpc", "application/grpc+proto", "application/grpc+json", "application/grpc;charset=utf-8",
    "Application/GRPC", "application/grpc ; a=b",
  } do
    it("with a body of " .. type, function()
      assert.is_true(core.grpc_is(head_of("POST", "content-type: " .. type)))
    end)
  end
  for _, type in ipairs { "application/grpc-web", "application/grpcx", "application/gRP", "text/plain", "" } do
    it("and not with a body of '" .. type .. "'", function()
      assert.is_false(core.grpc_is(head_of("POST", "content-type: " .. type)))
    end)
  end
  it("and not without a type", function() assert.is_false(core.grpc_is(head_of "POST")) end)
  it("and not by another method", function()
    assert.is_false(core.grpc_is(head_of("GET", "content-type: application/grpc")))
  end)
end)

describe("a gRPC call's path", function()
  for _, case in ipairs {
    { "/pkg.Service/Method", "pkg.Service", "Method" }, { "/S/M", "S", "M" },
    { "/S", "", "" }, { "/", "", "" }, { "", "", "" }, { "/S/", "", "" }, { "//M", "", "" }, { "/S/M/x", "", "" },
  } do
    it(("'%s' has the service '%s' and the method '%s'"):format(case[1], case[2], case[3]), function()
      local call = ffi.new "struct grpc_call"
      core.grpc_read(call, head_of "POST", http.slice(case[1]))
      assert.same({ case[2], case[3] }, { text_of(call.service), text_of(call.method) })
    end)
  end
end)

describe("grpc-timeout", function()
  local ms = ffi.new "uint64_t[1]"

  for text, want in pairs {
    ["1H"] = 3600000, ["2M"] = 120000, ["3S"] = 3000, ["250m"] = 250, ["1u"] = 1, ["1500u"] = 2, ["1n"] = 1,
    ["0m"] = 1, ["99999999m"] = 99999999, ["99999999H"] = 99999999 * 3600000, ["00000001S"] = 1000,
    ["1000000n"] = 1, ["1000001n"] = 2,
  } do
    it(text .. " is " .. want .. " ms", function()
      assert.is_true(core.grpc_timeout_read(http.slice(text), ms))
      assert.equal(want, tonumber(ms[0]))
    end)
  end
  for _, text in ipairs { "", "S", "1", "1s", "1 S", "-1S", "+1S", "1.5S", "123456789m", "1SS", " 1S", "0x1S" } do
    it("'" .. text .. "' is none", function() assert.is_false(core.grpc_timeout_read(http.slice(text), ms)) end)
  end

  it("is written with at most 8 digits, and never as more than there is", function()
    local room = ffi.new "char[9]"
    for _, left in ipairs { 1, 9, 10, 99999999, 100000000, 100000999, 99999999999, 1e14, 3.6e14 } do
      local text = text_of(core.grpc_timeout_write(room, left))
      assert.truthy(text:match "^%d%d?%d?%d?%d?%d?%d?%d?[mSMH]$", text)
      assert.is_true(core.grpc_timeout_read(http.slice(text), ms))
      assert.is_true(tonumber(ms[0]) <= left, text)
      assert.is_true(tonumber(ms[0]) > left * 0.99, text)
    end
  end)
end)

describe("grpc-status", function()
  for http_status, want in pairs {
    [400] = 13, [401] = 16, [403] = 7, [404] = 12, [408] = 4, [504] = 4, [413] = 8, [429] = 8, [499] = 1,
    [502] = 14, [503] = 14, [500] = 2, [418] = 2, [501] = 2,
  } do
    it(("of an answer of ours with %d is %d"):format(http_status, want), function()
      assert.equal(want, core.grpc_status_of(http_status))
    end)
  end

  for text, want in pairs { ["0"] = 0, ["14"] = 14, [""] = 2, ["x"] = 2, ["99999"] = 2 } do
    it(("'%s' in a head or in trailers is %d"):format(text, want), function()
      assert.equal(want, core.grpc_status_in(head_of("", "Grpc-Status: " .. text)))
      assert.equal(want,
        core.grpc_status_in_lines(http.slice("a: b\r\ngrpc-status: " .. text .. "\r\nc: d\r\n")))
    end)
  end
  it("may be missing", function()
    assert.equal(-1, core.grpc_status_in(head_of("", "a: b")))
    assert.equal(-1, core.grpc_status_in_lines(http.slice "a: b\r\n"))
    assert.equal(-1, core.grpc_status_in_lines(http.slice ""))
  end)
end)

it("grpc-message has what a field may not have as % and hex digits", function()
  local arena = http.arena()
  local message = core.grpc_message(ffi.cast("struct arena *", arena), http.slice "a%b\r\n\195\164 ~")
  assert.equal("a%25b%0D%0A%C3%A4 ~", text_of(message))
end)
