-- What a method alone says of a request.
local ffi = require "ffi"
local http = require "spec.support.http"
local core = require "spec.support.core"

ffi.cdef [[
bool method_is_idempotent(struct slice method);
bool method_ignores_body(struct slice method);
]]

local function words(text)
  local list = {}
  for word in text:gmatch "%S+" do list[#list + 1] = word end
  return list
end

-- IANA's HTTP Method Registry, by its column "Idempotent".
local IDEMPOTENT = words [[
  ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT COPY DELETE GET HEAD LABEL LINK MERGE MKACTIVITY MKCALENDAR MKCOL
  MKREDIRECTREF MKWORKSPACE MOVE OPTIONS ORDERPATCH PRI PROPFIND PROPPATCH PUT QUERY REBIND REPORT SEARCH TRACE UNBIND
  UNCHECKOUT UNLINK UNLOCK UPDATE UPDATEREDIRECTREF VERSION-CONTROL ]]
local OTHERS = words "CONNECT LOCK PATCH POST M-SEARCH PURGE get Get GETS GE XGET ETPUT TPU EADBIND UPDATEREDIRECTREFX"

describe("a method is idempotent", function()
  for _, method in ipairs(IDEMPOTENT) do
    it("if it is " .. method, function() assert.is_true(core.method_is_idempotent(http.slice(method))) end)
  end
  for _, method in ipairs(OTHERS) do
    it("and not if it is " .. method, function() assert.is_false(core.method_is_idempotent(http.slice(method))) end)
  end
  for _, length in ipairs { 0, 1, 2, 12, 14, 18, 100 } do
    it(("and not if it has %d letters"):format(length), function()
      assert.is_false(core.method_is_idempotent(http.slice(("G"):rep(length))))
    end)
  end
end)

describe("a method has no use for a body", function()
  for _, method in ipairs { "GET", "HEAD", "DELETE", "OPTIONS" } do
    it("if it is " .. method, function() assert.is_true(core.method_ignores_body(http.slice(method))) end)
  end
  for _, method in ipairs { "POST", "PUT", "PATCH", "QUERY", "PROPFIND", "REPORT", "LOCK", "get", "" } do
    it(("but has if it is %q"):format(method), function()
      assert.is_false(core.method_ignores_body(http.slice(method)))
    end)
  end
end)
