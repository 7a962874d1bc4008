-- The heads and trailers that lb forwards: written by its C from tables, and specs made of lists of
-- cases.
local ffi = require "ffi"
local busted = require "busted"
local luassert = require "luassert"
local core = require "spec.support.forward"
local http = require "spec.support.http"

local forwarded = {}

local FRAMINGS = { none = 0, counted = 1, chunked = 2, until_close = 3 }

-- Lines, without the empty one at the end, which must be there.
local function lines_of(text)
  local lines = {}
  luassert.equal("\r\n\r\n", text:sub(-4))
  for line in text:sub(1, -3):gmatch "(.-)\r\n" do table.insert(lines, line) end
  return lines
end

local FAULTS = { [0] = "fine", "name", "value", "ours", "many" }

-- given: { "name", "value", "name", false, .. }. What each of them is, too.
function forwarded.changes_of(arena, of, given)
  local changes, said = ffi.new "struct changes_seen", {}
  for i = 1, #given, 2 do
    local value = given[i + 1] and http.slice(given[i + 1]) or nil
    said[#said + 1] = FAULTS[core.changes_add(changes, arena, of, http.slice(given[i]), value)]
  end
  return changes, said
end

-- given: the head as for http.head; changes as above; new_host, origin, framing, length, host,
-- peer_ip, proto, max_forwards, and true or nothing: trusted, forwarded, upgrade
function forwarded.request_text(given)
  local arena = http.arena()
  local head, kept = http.head(given)
  local texts = { given.origin or "/", given.host or "x", given.peer_ip or "10.0.0.9", given.proto or "http" }
  local target = ffi.new "struct target_seen"
  target.origin = http.slice(texts[1])
  local what = ffi.new "struct forward_request_given"
  what.head, what.target = head, target
  what.framing, what.length = FRAMINGS[given.framing or "none"], given.length or 0
  what.host, what.peer_ip, what.proto = http.slice(texts[2]), http.slice(texts[3]), http.slice(texts[4])
  what.is_trusted, what.adds_forwarded = given.trusted or false, given.forwarded or false
  what.wants_upgrade = given.upgrade or false
  what.has_max_forwards, what.max_forwards = given.max_forwards ~= nil, given.max_forwards or 0
  what.names_no_host = given.names_no_host or false
  what.new_host = http.slice(given.new_host or "")
  local changes = forwarded.changes_of(arena, 0, given.changes or {})
  if given.changes then what.changes = changes end
  local text = http.text(core.forward_request_head(arena, what))
  assert(kept and texts and changes)
  return text
end

function forwarded.request(given) return lines_of(forwarded.request_text(given)) end

-- given: the head as for http.head; framing, length, client ("1.0", "1.1" or "2"), closes, upgrade,
-- date
function forwarded.response_text(given)
  local arena = http.arena()
  local head, kept = http.head(given)
  local what = ffi.new "struct forward_response_given"
  what.head = head
  what.framing, what.length = FRAMINGS[given.framing or "none"], given.length or 0
  what.client_version = given.client == "1.0" and 0 or given.client == "2" and 2 or 1
  what.closes = given.closes or false
  what.is_upgrade = given.upgrade or false
  local date = given.date or ""
  what.date = http.slice(date)
  local changes = forwarded.changes_of(arena, 1, given.changes or {})
  if given.changes then what.changes = changes end
  local text = http.text(core.forward_response_head(arena, what))
  assert(kept and changes)
  return text
end

function forwarded.response(given) return lines_of(forwarded.response_text(given)) end

-- The lines of the trailers that are forwarded, of a message with that head.
function forwarded.trailers(given_head, given, given_changes)
  local arena = http.arena()
  local head, kept = http.head(given_head)
  local fields, kept_too = http.head(given)
  local text = http.text(core.forward_trailers(arena, head, fields.fields, fields.fields_count,
    given_changes and forwarded.changes_of(arena, 0, given_changes)))
  local lines = text == "" and {} or lines_of(text .. "\r\n")
  assert(kept and kept_too)
  return lines
end

function forwarded.joined(...)
  local all = {}
  for _, list in ipairs { ... } do
    for _, line in ipairs(list) do table.insert(all, line) end
  end
  return all
end

-- What lb adds to a request, unless the case overrides it.
forwarded.FOR, forwarded.PROTO = "X-Forwarded-For: 10.0.0.9", "X-Forwarded-Proto: http"
forwarded.HOST, forwarded.PORT = "X-Forwarded-Host: x", "X-Forwarded-Port: 80"
forwarded.VIA = "Via: 1.1 lb"
forwarded.ADDED = { forwarded.FOR, forwarded.PROTO, forwarded.HOST, forwarded.PORT, forwarded.VIA }

-- Each case: what, given, the lines before those that are added, and these if they are not ADDED.
function forwarded.requests(cases)
  for _, case in ipairs(cases) do
    local what, given, expected, added = unpack(case)
    busted.it(what, function()
      luassert.same(forwarded.joined(expected, added or forwarded.ADDED), forwarded.request(given))
    end)
  end
end

function forwarded.responses(cases) -- each: what, given, the lines
  for _, case in ipairs(cases) do
    local what, given, expected = unpack(case)
    busted.it(what, function() luassert.same(expected, forwarded.response(given)) end)
  end
end

-- A get with these fields.
function forwarded.get(...) return { method = "GET", ... } end

function forwarded.with(given, more)
  for name, value in pairs(more) do given[name] = value end
  return given
end

-- Of the message, whatever Connection says (but Host, Content-Length, and what lb says itself).
forwarded.END_TO_END = {
  "Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Accept-Ranges", "Accept-CH",
  "Access-Control-Allow-Origin", "Age", "Allow", "Alt-Svc", "Authorization", "Cache-Control", "Content-Disposition",
  "Content-Encoding", "Content-Language", "Content-Location", "Content-Range", "Content-Security-Policy",
  "Content-Type", "Content-MD5", "Content-Digest", "Cookie", "Date", "ETag", "Expect", "Expires", "From",
  "Idempotency-Key", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since",
  "Last-Modified", "Location", "Max-Forwards", "Origin", "Pragma", "Range", "Referer", "Retry-After", "Server",
  "Set-Cookie", "Strict-Transport-Security", "User-Agent", "Vary", "Via", "WWW-Authenticate",
}
-- Of the connection, or of its coding, always.
forwarded.HOP_BY_HOP = {
  "Connection", "Keep-Alive", "Proxy-Connection", "TE", "Upgrade", "Transfer-Encoding", "HTTP2-Settings",
  "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Authentication-Info",
}
forwarded.CREDENTIALS = {
  "Authorization", "Cookie", "Cookie2", "API-Key", "X-API-Key", "X-Auth-Token", "X-Access-Token", "X-CSRF-Token",
  "X-XSRF-Token", "X-Amz-Security-Token", "X_Auth_Token",
}

return forwarded
