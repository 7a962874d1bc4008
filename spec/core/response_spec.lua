-- Responses as all read them that ask by HTTP: interim heads, the final one, and where it ends.
local ffi = require "ffi"
local core = require "spec.support.core"
local http = require "spec.support.http"

ffi.cdef [[
struct response_seen { struct parse_seen parse; char rest[1024]; };
void response_expect(struct response_seen *, const struct limits_seen *, struct arena_seen *, bool answers_head,
                     bool may_switch, void (*)(struct parse_seen *, const char *, size_t));
void response_dispose(struct response_seen *);
int response_feed(struct response_seen *, struct slice *);
bool response_ends_here(struct response_seen *);
const char *response_fault_text(const struct response_seen *);
]]

local MORE, HEAD, END = 0, 1, 2
local LIMITS = ffi.new("struct limits_seen", 8192, 100, 20)

local body
local on_body = ffi.cast("void (*)(struct parse_seen *, const char *, size_t)", function(_, start, length)
  body = body .. ffi.string(start, length)
end)

-- What comes of the bytes, fed so many at a time, as "100 200 end body ab surplus X".
-- options: head (of the request), switch, and closes: the connection ends behind them.
local function read(bytes, size, options)
  local response, arena = ffi.new "struct response_seen", http.arena()
  local start, seen, step = ffi.cast("const char *", bytes), {}
  local rest = ffi.new("struct slice", start, 0)
  local function is_over()
    return step == END or response.parse.head.status == 101 or (step == MORE and rest.start == start + #bytes)
  end
  body = ""
  core.response_expect(response, LIMITS, arena, options.head or false, options.switch or false, on_body)
  repeat
    rest.length = math.min(size, #bytes - (rest.start - start))
    step = core.response_feed(response, rest)
    if step == HEAD then table.insert(seen, response.parse.head.status) end
    if step > END then return ffi.string(core.response_fault_text(response)) end
  until is_over()
  local surplus = bytes:sub(tonumber(rest.start - start) + 1)
  if step == END or (options.closes and core.response_ends_here(response)) then table.insert(seen, "end") end
  if body ~= "" then table.insert(seen, "body " .. body) end
  if surplus ~= "" then table.insert(seen, "surplus " .. surplus) end
  core.response_dispose(response)
  return table.concat(seen, " ")
end
jit.off(read) -- it is called back

describe("a response, however its bytes are cut,", function()
  local CONTINUE, OK = "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\n"
  local large = "HTTP/1.1 103 Early Hints\r\nLink: " .. ("x"):rep(40) .. "\r\n\r\n"
  for what, case in pairs {
    ["ends behind a body that is counted"] = { OK .. "Content-Length: 2\r\n\r\nabX", "200 end body ab surplus X" },
    ["ends behind chunks"] = { OK .. "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\nX",
      "200 end body ab surplus X" },
    ["ends with its connection"] = { OK .. "\r\nab", "200 end body ab", { closes = true } },
    ["does not end in the middle"] = { OK .. "Content-Length: 3\r\n\r\nab", "200 body ab", { closes = true } },
    ["does not end before its head"] = { CONTINUE, "100", { closes = true } },
    ["ends with its head if nothing follows"] = { OK .. "Content-Length: 0\r\n\r\n", "200 end" },
    ["to HEAD has no body"] = { OK .. "Content-Length: 2\r\n\r\nX", "200 end surplus X", { head = true } },
    ["of 204 has no body"] = { "HTTP/1.1 204 No\r\n\r\nX", "204 end surplus X" },
    ["of 304 has no body"] = { "HTTP/1.1 304 Same\r\nContent-Length: 2\r\n\r\n", "304 end" },
    ["comes behind interim heads"] = { CONTINUE .. CONTINUE .. OK .. "Content-Length: 1\r\n\r\na",
      "100 100 200 end body a" },
    ["to HEAD comes behind an interim head"] = { CONTINUE .. OK .. "Content-Length: 2\r\n\r\n", "100 200 end",
      { head = true } },
    ["may switch if that was asked for"] = { "HTTP/1.1 101 Go\r\nUpgrade: x\r\n\r\nraw", "101 surplus raw",
      { switch = true } },
    ["may not switch else"] = { "HTTP/1.1 101 Go\r\nUpgrade: x\r\n\r\n", "an upgrade that nobody asked for" },
    ["has a bound for all interim heads"] = { large .. large, "interim responses larger than limits.head" },
    ["of two lengths is refused"] = { OK .. "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
      "more than one Content-Length" },
    ["that is interim is read as strictly"] = { "HTTP/1.1 100 C\r\nTransfer-Encoding: x\r\n\r\n",
      "a Transfer-Encoding that is not chunked" },
    ["that is no HTTP is refused"] = { "HTTP/1.1 999 No\r\n\r\n",
      "a status that is not three digits from 100 to 599" },
  } do
    it(what, function()
      for _, size in ipairs { 1, 2, 7, #case[1] } do
        assert.equal(case[2], read(case[1], size, case[3] or {}))
      end
    end)
  end
end)
