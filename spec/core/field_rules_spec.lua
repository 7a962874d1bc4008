-- Which header fields lb sets itself, and so nobody else may, by where they would be set.
local ffi = require "ffi"
local core = require "spec.support.forward"
local http = require "spec.support.http"

ffi.cdef "int field_check(int use, struct slice name, const struct slice *value);"

local USES = { [0] = "request", "response", "answer", "fetch" }               -- enum field_use
local FINE, OURS = 0, 3                                                       -- enum field_fault
local EVERYWHERE, FORWARDED = "request response answer fetch", "request response"

local function refused(name, value)
  local uses = {}
  for use = 0, #USES do
    local fault = core.field_check(use, http.slice(name), value and http.slice(value) or nil)
    if fault == OURS then uses[#uses + 1] = USES[use] else assert.equal(FINE, fault) end
  end
  return table.concat(uses, " ")
end

describe("lb alone sets", function()
  for where, names in pairs {
    [EVERYWHERE] = { "Connection", "Content-Length", "Keep-Alive", "Proxy-Connection", "TE", "Trailer",
      "Transfer-Encoding", "Upgrade" },
    [FORWARDED] = { "HTTP2-Settings", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Authentication-Info",
      "Content_Length", "Transfer.Encoding", "X_Forwarded_For", "Via" },
    ["request fetch"] = { "Expect" },
    ["request"] = { "Host", "Max-Forwards" },
    [""] = { "A", "X-Forwarded-For", "Forwarded", "Authorization", "Set-Cookie", "Date", "Server", "Keep_Alive" },
  } do
    for _, name in ipairs(names) do
      it(name .. " in " .. (where == "" and "nothing" or where), function()
        assert.equal(where, refused(name, "x"))
        assert.equal(where, refused(name:lower(), "x"))
        assert.equal(where, refused(name:upper(), "x"))
        assert.equal(name == "Via" and "" or where, refused(name))
      end)
    end
  end
end)
