-- Reads messages with lb's parser, cut into reads in every way, and builds what is expected of it.
local luassert = require "luassert"
local http = require "spec.support.http"

local parsing = {}

-- options: as for http.read_every_way
function parsing.read(bytes, options)
  local seen = http.read_every_way(bytes, options or {})
  if seen.head then
    local start = bytes:match "^[\r\n]*()"
    luassert.equal(select(2, bytes:find("\r\n\r\n", start, true)) + 1 - start, seen.head_bytes)
    seen.head_bytes = nil
  end
  return seen
end

function parsing.response(bytes, options)
  options = options or {}
  options.response = true
  return parsing.read(bytes, options)
end

-- A complete message
function parsing.message(head, fields, body, rest)
  return { result = "end", head = head, fields = fields, body = body or "", rest = rest or "" }
end

-- The heads of messages in chunks, and their one field.
parsing.POST = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
parsing.OK = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
parsing.CHUNKED = { "Transfer-Encoding: chunked" }

function parsing.chunked(body, rest) return parsing.message("POST / 1.1", parsing.CHUNKED, body, rest) end

return parsing
