-- Which of JSON and text a client gets that says what it accepts.
local ffi = require "ffi"
local core = require "spec.support.core"
local http = require "spec.support.http"

ffi.cdef [[ bool accept_wants_json(const struct head_seen *); ]]

local function wants_json(...)
  local fields = { "Host: x" }
  for _, value in ipairs { ... } do fields[#fields + 1] = "Accept: " .. value end
  local head, held = http.head(fields)
  return core.accept_wants_json(head), held
end

describe("JSON is what a client wants that accepts", function()
  for _, accepted in ipairs {
    "application/json", "APPLICATION/JSON", "application/json; charset=utf-8", "application/json;q=0.1",
    "application/problem+json", "application/vnd.api+JSON, image/png", "application/*", "image/*, application/json",
    "application/json, text/plain;q=0", "application/json, text/*;q=0.0, */*;q=0.000", "application/json,*/* ; Q=0",
    "application/json, text/plain;level=1;q=0", "application/json, text/plain;q=0.", ", ,application/json,",
  } do
    it(accepted, function() assert.is_true(wants_json(accepted)) end)
  end

  it("it in one of several fields", function() assert.is_true(wants_json("image/png", "application/json")) end)
end)

describe("text is what a client gets that accepts", function()
  for _, accepted in ipairs {
    "*/*", "text/plain", "text/html, application/json", "application/json, text/plain;q=0.1",
    "application/json, */*;q=0.001", "TEXT/*, application/json", "", ",", "image/png", "json", "application/jsonx",
    "xapplication/json", "application/json;q=0", "application/json; q=0.00", "application/*;q=0",
    "application/xml, image/png", "application/json, text/plain;q=00.1", "application/json, text/plain;q=",
    "application/json, text/plain;q", "application/+jso",
  } do
    it(("%q"):format(accepted), function() assert.is_false(wants_json(accepted)) end)
  end

  it("all, as it names nothing", function() assert.is_false(wants_json()) end)

  it("text in one of several fields", function()
    assert.is_false(wants_json("application/json", "text/plain"))
    assert.is_false(wants_json("text/plain", "application/json"))
  end)
end)
