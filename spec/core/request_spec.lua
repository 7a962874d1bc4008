-- Which heads of requests are refused, with which status and why.
local ffi = require "ffi"
local http = require "spec.support.http"
local core = require "spec.support.core"

ffi.cdef [[
struct target_seen { int form; struct slice authority, origin, path, query; };
struct request_seen {
  struct target_seen target;
  struct slice host;
  int framing;
  uint64_t length;
  bool wants_upgrade, has_max_forwards, may_end_here;
  uint64_t max_forwards;
  struct slice host_name;
};
int request_check(const struct head_seen *, struct arena_seen *, struct request_seen *out);
unsigned request_fault_status(int);
const char *request_fault_text(int, const struct head_seen *);
]]

local FAULTS = {
  [0] = "ok", "bad target", "no host", "many hosts", "bad host", "bad framing", "unknown coding", "connect",
  "bad max-forwards", "trace with body",
}
local STATUSES = { ["unknown coding"] = 501, ["connect"] = 501 } -- the others are 400
local FRAMINGS = { [0] = "none", "counted", "chunked", "until close", "refused" }

local arena = http.arena()

local function checked(given)
  local head, kept = http.head(given)
  local request = ffi.new "struct request_seen"
  local fault = core.request_check(head, arena, request)
  return fault, request, kept
end

local function check(given)
  local fault, request, kept = checked(given)
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
    { "GET", "/", "1.1", {}, { "no host" } },
    { "GET", "/", "1.1", { "Host: " }, { "bad host" } },
    { "GET", "/", "1.1", { "Host: a b" }, { "bad host" } },
    { "GET", "/", "1.1", { "Host: a/b" }, { "bad host" } },
    { "GET", "/", "1.1", { "Host: me@a" }, { "bad host" } },
    { "GET", "/", "1.1", { "Host: a:b" }, { "bad host" } },
    { "GET", "/", "1.1", { "Host: x", "Host: x" }, { "many hosts" } },
    { "GET", "/", "1.1", { "Host: x", "A: b", "host: y" }, { "many hosts" } },
    { "GET", "/", "1.1", { "Host: x", "Host: " }, { "many hosts" } },
    { "GET", "/", "2", {}, { "no host" } },
    { "GET", "/", "2", { "Host: x" }, { "ok", "/", "x", "none", 0 } },
    { "GET", "/", "1.0", {}, { "ok", "/", "", "none", 0 } },
    { "GET", "/", "1.0", { "Host: x" }, { "ok", "/", "x", "none", 0 } },
    { "GET", "/", "1.0", { "Host: " }, { "bad host" } },
    { "GET", "/", "1.0", { "Host: a b" }, { "bad host" } },
    { "GET", "/", "1.0", { "Host: x", "Host: x" }, { "many hosts" } },
    { "GET", "http://a:80/b", "1.1", { "Host: x" }, { "ok", "/b", "a:80", "none", 0 } },
    { "GET", "http://a/b", "1.1", { "Host: a b" }, { "bad host" } },
    { "GET", "http://a/b", "1.1", { "Host: x", "Host: y" }, { "many hosts" } },
    { "GET", "http://a/b", "1.1", {}, { "no host" } },
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
    { "POST", "/", "1.0", { "Host: x", "Transfer-Encoding: gzip, chunked" }, { "bad framing" } },
    { "POST", "/", "1.1", { "Host: x", "Transfer-Encoding: gzip, chunked" }, { "unknown coding" } },
    { "POST", "/", "1.1", { "Host: x", "Transfer-Encoding: gzip;q=1,br , Chunked" }, { "unknown coding" } },
    { "POST", "/", "1.1", { "Host: x", "Transfer-Encoding: gzip", "Transfer-Encoding: chunked" },
      { "unknown coding" } },
    { "POST", "/", "1.1", { "Host: x", "Transfer-Encoding: identity, chunked" }, { "unknown coding" } },
    { "POST", "/", "1.1", { "Host: x", "Transfer-Encoding: gzip, chunked", "Content-Length: 5" }, { "bad framing" } },
    { "POST", "/", "1.1", { "Host: x", "Transfer-Encoding: gzip" }, { "bad framing" } },
    { "POST", "/", "1.1", { "Host: x", "Transfer-Encoding: identity" }, { "bad framing" } },
    { "POST", "/", "1.1", { "Host: x", "Transfer-Encoding: chunked, gzip" }, { "bad framing" } },
    { "POST", "/", "1.1", { "Host: x", "Transfer-Encoding: chunked, chunked" }, { "bad framing" } },
    { "POST", "/", "1.1", { "Host: x", "Transfer-Encoding: chunked, gzip, chunked" }, { "bad framing" } },
    { "POST", "/", "1.1", { "Host: x", "Transfer-Encoding: chunked", "Transfer-Encoding: gzip" }, { "bad framing" } },
    { "POST", "/", "1.1", { "Host: x", "Transfer-Encoding: , chunked" }, { "bad framing" } },
    { "POST", "/", "1.1", { "Host: x", "Transfer-Encoding: gzip, xchunked" }, { "bad framing" } },
    { "POST", "/", "1.1", { "Host: x", "Transfer-Encoding: gzip chunked" }, { "bad framing" } },
    { "GET", "http://a?b", "1.1", { "Host: x" }, { "ok", "/?b", "a", "none", 0 } },
    { "GET", "http://a", "1.0", { "Host: x" }, { "ok", "/", "a", "none", 0 } },
    { "FROB", "/", "1.1", { "Host: x" }, { "ok", "/", "x", "none", 0 } },
    { "TRACE", "/", "1.1", { "Host: x" }, { "ok", "/", "x", "none", 0 } },
    { "TRACE", "/", "1.1", { "Host: x", "Content-Length: 0" }, { "ok", "/", "x", "counted", 0 } },
    { "TRACE", "/", "1.1", { "Host: x", "Content-Length: 5" }, { "trace with body" } },
    { "TRACE", "/", "1.1", { "Host: x", "Transfer-Encoding: chunked" }, { "trace with body" } },
    { "TRACE", "/", "1.1", { "Host: x", "Content-Length: 5", "Content-Length: 5" }, { "bad framing" } },
    { "trace", "/", "1.1", { "Host: x", "Content-Length: 5" }, { "ok", "/", "x", "counted", 5 } },
    { "TRACE", "*", "1.1", { "Host: x" }, { "bad target" } },
    { "CONNECT", "a:443", "1.1", { "Host: a:443" }, { "connect" } },
    { "CONNECT", "a:443", "1.0", {}, { "connect" } },
    { "CONNECT", "a", "1.1", { "Host: a" }, { "bad target" } },
    { "CONNECT", "/", "1.1", { "Host: x" }, { "bad target" } },
    { "CONNECT", "a:443", "1.1", {}, { "no host" } },
  }
  for _, case in ipairs(cases) do
    local method, target, version, given, expected = unpack(case)
    given.method, given.target, given.version = method, target, version
    it(("%s %s %s with %s: %s"):format(method, target, version, table.concat(given, ", "), expected[1]), function()
      assert.same(expected, check(given))
    end)
  end

  local forwards = { -- method, fields, the number, or false if there is none, or the fault
    { "TRACE", { "Max-Forwards: 0" }, 0 },
    { "OPTIONS", { "max-forwards: 10" }, 10 },
    { "OPTIONS", { "Max-Forwards: 007" }, 7 },
    { "TRACE", { "Max-Forwards: 18446744073709551615" }, 18446744073709551615ULL },
    { "TRACE", {}, false },
    { "GET", { "Max-Forwards: 0" }, false },
    { "GET", { "Max-Forwards: x" }, false },
    { "options", { "Max-Forwards: x" }, false },
    { "TRACE", { "Max-Forwards: 18446744073709551616" }, "bad max-forwards" },
    { "TRACE", { "Max-Forwards: " }, "bad max-forwards" },
    { "TRACE", { "Max-Forwards: -1" }, "bad max-forwards" },
    { "TRACE", { "Max-Forwards: +1" }, "bad max-forwards" },
    { "TRACE", { "Max-Forwards: 1x" }, "bad max-forwards" },
    { "OPTIONS", { "Max-Forwards: 1, 1" }, "bad max-forwards" },
    { "OPTIONS", { "Max-Forwards: 1", "Max-Forwards: 1" }, "bad max-forwards" },
    { "OPTIONS", { "Max-Forwards: 1", "A: b", "max-forwards: x" }, "bad max-forwards" },
  }
  for _, case in ipairs(forwards) do
    local method, given, expected = unpack(case)
    given.method, given.target, given.version = method, "/", "1.1"
    it(("%s with %q may be forwarded: %s"):format(method, table.concat(given, ", "), tostring(expected)), function()
      table.insert(given, "Host: x")
      local fault, request, kept = checked(given)
      if type(expected) == "string" then
        assert.equal(expected, FAULTS[fault])
      else
        assert.equal("ok", FAULTS[fault])
        assert.equal(expected ~= false, request.has_max_forwards)
        assert.is_true(request.max_forwards == (expected or 0))
      end
      assert(kept)
    end)
  end

  local upgrades = { -- version, fields, wants_upgrade
    { "1.1", { "Connection: Upgrade", "Upgrade: websocket" }, true },
    { "1.1", { "connection: keep-alive, UPGRADE", "upgrade: WebSocket" }, true },
    { "1.1", { "Connection: keep-alive", "Connection: upgrade", "Upgrade: x/1.0" }, true },
    { "1.1", { "Connection: upgrade", "Upgrade: h2c, websocket" }, true },
    { "1.1", { "Connection: upgrade", "Upgrade: h2c", "Upgrade: websocket" }, true },
    { "1.1", { "Connection: upgrade", "Upgrade: h2cx" }, false },
    { "1.1", { "Connection: upgrade", "Upgrade: websocket", "Content-Length: 0" }, true },
    { "1.1", { "Connection: upgrade", "Upgrade: h2c" }, false },
    { "1.1", { "Connection: upgrade, HTTP2-Settings", "Upgrade: H2C", "HTTP2-Settings: AAA" }, false },
    { "1.1", { "Connection: upgrade", "Upgrade: h2c/1, H2c" }, false },
    { "1.1", { "Connection: upgrade", "Upgrade: " }, false },
    { "1.1", { "Connection: upgrade", "Upgrade: , ," }, false },
    { "1.1", { "Connection: upgrade" }, false },
    { "1.1", { "Upgrade: websocket" }, false },
    { "1.1", { "Connection: keep-alive", "Upgrade: websocket" }, false },
    { "1.1", { "Connection: upgrades", "Upgrade: websocket" }, false },
    { "1.1", { "Connection: upgrade", "Upgrade: tcp", "Content-Length: 1" }, true },
    { "1.1", { "Connection: upgrade", "Upgrade: tcp", "Transfer-Encoding: chunked" }, true },
    { "1.0", { "Connection: upgrade", "Upgrade: websocket" }, false },
  }
  for _, case in ipairs(upgrades) do
    local version, given, expected = unpack(case)
    given.method, given.target, given.version = "GET", "/", version
    it(("of %s with %q %s another protocol"):format(version, table.concat(given, ", "),
      expected and "asks for" or "does not ask for"), function()
      table.insert(given, "Host: x")
      local fault, request, kept = checked(given)
      assert.equal("ok", FAULTS[fault])
      assert.equal(expected, request.wants_upgrade)
      assert(kept)
    end)
  end

  it("that is refused has a text that says why, and a status", function()
    for fault, name in ipairs(FAULTS) do
      local head, kept = http.head { method = "POST", target = "/", version = "1.1" }
      assert.is_true(#ffi.string(core.request_fault_text(fault, head)) > 5, name)
      assert(kept)
      assert.equal(STATUSES[name] or 400, core.request_fault_status(fault))
    end
  end)
end)
