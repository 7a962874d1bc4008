-- The trailers that are forwarded behind a body in chunks.
local forwarded = require "spec.support.forwarded_heads"

local trailers, joined = forwarded.trailers, forwarded.joined
local HOP_BY_HOP, CREDENTIALS = forwarded.HOP_BY_HOP, forwarded.CREDENTIALS

describe("trailers that are forwarded", function()
  local function are(what, fields, expected, head)
    it(what, function() assert.same(expected, trailers(head or {}, fields)) end)
  end

  are("may be none", {}, {})
  are("are as they came, in order, letter case and repetition",
    { "Grpc-Status: 0", "grpc-message: a  b", "X: \195\188", "grpc-status: 1", "Empty:", "X_Y: 2" },
    { "Grpc-Status: 0", "grpc-message: a  b", "X: \195\188", "grpc-status: 1", "Empty: ", "X_Y: 2" })
  are("are those that their definitions allow",
    { "ETag: a", "Accept-Ranges: bytes", "Content-Digest: b", "Content-MD5: c", "Server-Timing: d", "Proxy-Status: e",
      "Link: f" },
    { "ETag: a", "Accept-Ranges: bytes", "Content-Digest: b", "Content-MD5: c", "Server-Timing: d", "Proxy-Status: e",
      "Link: f" })
  are("are none that Connection names", { "X-A: 1", "X-B: 2", "x-a: 3", "X-C: 4" }, { "X-B: 2" },
    { "connection: close, X-a", "Connection: ,x-c" })
  are("are those that it cannot take away", { "ETag: 1", "X: 2" }, { "ETag: 1" }, { "Connection: etag, x" })
  are("know no Connection of their own", { "Connection: X-A", "X-A: 1" }, { "X-A: 1" })
  are("are none of many", { "Content-Length: 1", "Host: a", "Cookie: b", "Content_Length: 2" }, {})
  are("have room, whatever they are", { ("N"):rep(5000) .. ": " .. ("v"):rep(9000), "a: b", ":" },
    { ("N"):rep(5000) .. ": " .. ("v"):rep(9000), "a: b", ": " })

  local dropped = joined(HOP_BY_HOP, CREDENTIALS, {
    "Host", "Content-Length", "Trailer", "Max-Forwards", "Via", "X-Forwarded-For", "X-Forwarded-Proto",
    "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix", "Forwarded", "WWW-Authenticate", "Set-Cookie",
    "Cache-Control", "Expect", "Pragma", "Range", "If-Match", "If-None-Match", "If-Modified-Since",
    "If-Unmodified-Since", "If-Range", "Content-Encoding", "Content-Type", "Content-Range", "Content-Language",
    "Content-Location", "Age", "Date", "Expires", "Location", "Retry-After", "Vary", "Accept", "Accept-Encoding",
    "Allow", "Origin", "Server", "User-Agent", "Content_Length", "Transfer_Encoding", "Content.Length",
    "X_Forwarded_For", "X-Forwarded_Proto",
  })
  for _, name in ipairs(dropped) do
    are("are no " .. name, { "A: 1", name .. ": 1", name:lower() .. ": 2", name:upper() .. ": 3", "B: 2" },
      { "A: 1", "B: 2" })
  end
end)
