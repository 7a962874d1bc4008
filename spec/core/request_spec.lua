local ffi = require "ffi"
local http = require "spec.support.http"
local core = require "spec.support.core"

ffi.cdef [[
struct target_seen { int form; struct slice authority, origin, path, query; };
struct request_seen { struct target_seen target; struct slice host; int framing; uint64_t length; };
int request_check(const struct head_seen *, struct request_seen *out);
const char *request_fault_text(int);
]]

local FAULTS = { [0] = "ok", "bad target", "bad host", "bad framing", "connect" }
local FRAMINGS = { [0] = "none", "counted", "chunked", "until close", "refused" }

local function check(given)
  local head, kept = http.head(given)
  local request = ffi.new "struct request_seen"
  local fault = core.request_check(head, request)
  local seen = { FAULTS[fault] }
  if fault == 0 then
    seen = { "ok", http.text(request.target.origin), http.text(request.host), FRAMINGS[request.framing],
      tonumber(request.length) }
  end
  assert(kept)
  return seen
end

describe("a request", function()
  local cases = {
    -- method, target, version, fields, then the fault, or "ok", origin, host, framing, length
    { "GET", "/", "1.1", { "Host: x" }, { "ok", "/", "x", "none", 0 } },
    { "GET", "/a?b", "1.1", { "A: b", "HOST: x.y:80" }, { "ok", "/a?b", "x.y:80", "none", 0 } },
    { "GET", "/", "1.1", { "Host: [::1]:80" }, { "ok", "/", "[::1]:80", "none", 0 } },
    { "GET", "/", "1.1", {}, { "bad host" } },
    { "GET", "/", "1.1", { "Host: " }, { "bad host" } },
    { "GET", "/", "1.1", { "Host: a b" }, { "bad host" } },
    { "GET", "/", "1.1", { "Host: a/b" }, { "bad host" } },
    { "GET", "/", "1.1", { "Host: me@a" }, { "bad host" } },
    { "GET", "/", "1.1", { "Host: a:b" }, { "bad host" } },
    { "GET", "/", "1.1", { "Host: x", "Host: x" }, { "bad host" } },
    { "GET", "/", "1.1", { "Host: x", "A: b", "host: y" }, { "bad host" } },
    { "GET", "/", "1.1", { "Host: x", "Host: " }, { "bad host" } },
    { "GET", "/", "1.0", {}, { "ok", "/", "", "none", 0 } },
    { "GET", "/", "1.0", { "Host: x" }, { "ok", "/", "x", "none", 0 } },
    { "GET", "/", "1.0", { "Host: " }, { "bad host" } },
    { "GET", "/", "1.0", { "Host: a b" }, { "bad host" } },
    { "GET", "/", "1.0", { "Host: x", "Host: x" }, { "bad host" } },
    { "GET", "http://a:80/b", "1.1", { "Host: x" }, { "ok", "/b", "a:80", "none", 0 } },
    { "GET", "http://a/b", "1.1", { "Host: a b" }, { "bad host" } },
    { "GET", "http://a/b", "1.1", { "Host: x", "Host: y" }, { "bad host" } },
    { "GET", "http://a/b", "1.1", {}, { "bad host" } },
    { "GET", "http://a", "1.0", {}, { "ok", "/", "a", "none", 0 } },
    { "OPTIONS", "*", "1.1", { "Host: x" }, { "ok", "*", "x", "none", 0 } },
    { "OPTIONS", "http://a", "1.1", { "Host: x" }, { "ok", "*", "a", "none", 0 } },
    { "GET", "*", "1.1", { "Host: x" }, { "bad target" } },
    { "GET", "a", "1.1", { "Host: x" }, { "bad target" } },
    { "GET", "https://a/", "1.1", { "Host: x" }, { "bad target" } },
    { "POST", "/", "1.1", { "Host: x", "Content-Length: 5" }, { "ok", "/", "x", "counted", 5 } },
    { "POST", "/", "1.1", { "Host: x", "Transfer-Encoding: chunked" }, { "ok", "/", "x", "chunked", 0 } },
    { "POST", "/", "1.1", { "Host: x", "Content-Length: 5", "Content-Length: 5" }, { "bad framing" } },
    { "POST", "/", "1.1", { "Host: x", "Content-Length: 5", "Transfer-Encoding: chunked" }, { "bad framing" } },
    { "POST", "/", "1.0", { "Host: x", "Transfer-Encoding: chunked" }, { "bad framing" } },
    { "CONNECT", "a:443", "1.1", { "Host: a:443" }, { "connect" } },
    { "CONNECT", "/", "1.1", { "Host: x" }, { "bad target" } },
    { "CONNECT", "a:443", "1.1", {}, { "bad host" } },
  }
  for _, case in ipairs(cases) do
    local method, target, version, given, expected = unpack(case)
    given.method, given.target, given.version = method, target, version
    it(("%s %s %s with %s: %s"):format(method, target, version, table.concat(given, ", "), expected[1]), function()
      assert.same(expected, check(given))
    end)
  end

  it("that is refused has a text that says why", function()
    for fault = 1, #FAULTS do assert.is_true(#ffi.string(core.request_fault_text(fault)) > 5) end
  end)
end)
