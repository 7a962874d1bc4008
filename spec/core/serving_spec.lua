-- The two messages of gRPC's health checking, which lb writes and reads by hand.
local ffi = require "ffi"
local http = require "spec.support.http"
local core = require "spec.support.core"

ffi.cdef [[
void serving_ask(struct buffer *, struct slice service);
unsigned serving_read(struct slice answer);
]]

local function asked(service)
  local buffer = ffi.new "struct buffer"
  core.serving_ask(buffer, http.slice(service))
  local text = ffi.string(buffer.bytes + buffer.start, buffer["end"] - buffer.start)
  core.buffer_dispose(buffer)
  return text
end

describe("the request of gRPC's health check", function()
  it("is empty for the server as a whole", function() assert.equal("\0\0\0\0\0", asked "") end)
  it("has the name of a service", function() assert.equal("\0\0\0\0\6\10\4shop", asked "shop") end)
  it("has a long name with its length in two bytes", function()
    assert.equal("\0\0\0\0\129\10\127" .. ("a"):rep(127), asked(("a"):rep(127)))
    assert.equal("\0\0\0\0\131\10\128\1" .. ("a"):rep(128), asked(("a"):rep(128)))
    assert.equal("\0\0\0\1\2\10\255\1" .. ("a"):rep(255), asked(("a"):rep(255)))
  end)
end)

describe("the answer to gRPC's health check", function()
  for name, case in pairs {
    ["without a field is UNKNOWN"] = { "\0\0\0\0\0", 0 },
    ["may be UNKNOWN"] = { "\0\0\0\0\2\8\0", 0 },
    ["may be SERVING"] = { "\0\0\0\0\2\8\1", 1 },
    ["may be NOT_SERVING"] = { "\0\0\0\0\2\8\2", 2 },
    ["may be SERVICE_UNKNOWN"] = { "\0\0\0\0\2\8\3", 3 },
    ["has no other status"] = { "\0\0\0\0\2\8\4", 4 },
    ["has no status below 0"] = { "\0\0\0\0\2\8\255", 4 },
    ["has no other field"] = { "\0\0\0\0\2\16\1", 4 },
    ["is not compressed"] = { "\1\0\0\0\2\8\1", 4 },
    ["is not longer than it says"] = { "\0\0\0\0\2\8\1\0", 4 },
    ["is not shorter than it says"] = { "\0\0\0\0\2\8", 4 },
    ["is not large"] = { "\0\1\0\0\2\8\1", 4 },
    ["is there"] = { "", 4 },
    ["has five bytes in front"] = { "\0\0\0\0", 4 },
  } do
    it(name, function() assert.equal(case[2], core.serving_read(http.slice(case[1]))) end)
  end
end)
