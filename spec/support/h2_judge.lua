-- h2_judge - what is wrong of a case that was played (spec/support/h2_conformance.lua). Pure.
--
--   h2_judge.expand(text, proxy, backend)   with its tokens replaced
--   h2_judge.wanted(case, proxy, backend)   what the backend may see: a list
--   h2_judge.judge(case, seen, proxy, backend)   nil, or what is wrong
--   h2_judge.VIA                            the line by which lb says that it was HTTP/2

local h2_peer = require "spec.support.h2_peer"
local messages = require "spec.support.messages"

local h2_judge = { VIA = "Via: 2.0 lb\r\n" }

local function list_of(value) return type(value) == "table" and value or { value } end

-- --- what is wanted ---

local function added(before, proxy, own)
  local host = ""
  for value in before:gmatch "\n[Hh][Oo][Ss][Tt]: ([^\r]*)\r" do host = value end
  local lines = { "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: " .. (proxy.proto or "http") }
  if host ~= own then lines[#lines + 1] = "X-Forwarded-Host: " .. host end
  lines[#lines + 1] = "X-Forwarded-Port: " .. (host:match ":(%d+)$" or proxy.proto == "https" and "443" or "80")
  return table.concat(lines, "\r\n") .. "\r\n" .. (proxy.via or h2_judge.VIA)
end

function h2_judge.expand(text, proxy, backend)
  text = text:gsub("%%backend%%", backend.address)
  while true do
    local from, to = text:find("%added%", 1, true)
    if not from then return text end
    local before = text:sub(1, from - 1)
    text = before .. added(before, proxy, backend.address) .. text:sub(to + 1)
  end
end

function h2_judge.wanted(case, proxy, backend)
  local all = {}
  for i, text in ipairs(list_of(case.backend or "")) do all[i] = messages.merge(h2_judge.expand(text, proxy,
    backend)) end
  return all
end

-- --- judging ---

local function shown(text)
  if #text > 2000 then text = text:sub(1, 1000) .. ("[%d bytes]"):format(#text - 2000) .. text:sub(-1000) end
  return '"' .. text:gsub("\\", "\\\\"):gsub("[^\32-\126]", function(c)
    return c == "\r" and "\\r" or c == "\n" and "\\n" or ("\\x%02x"):format(c:byte())
  end) .. '"'
end

local function shown_all(list)
  local all = {}
  for i, text in ipairs(list) do all[i] = "    " .. shown(text) end
  return #all == 0 and "    nothing" or table.concat(all, "\n    or\n")
end

-- Fields as text, without the date.
local function text_of(fields)
  local lines = {}
  for _, field in ipairs(fields or {}) do
    if field[1] ~= "date" then lines[#lines + 1] = field[1] .. ": " .. field[2] end
  end
  return table.concat(lines, "\n")
end

local function includes(list, value)
  for _, one in ipairs(list_of(list)) do
    if one == value then return true end
  end
  return false
end

local OWN = {
  [":status"] = true, date = true, server = true, ["content-length"] = true, ["content-type"] = true,
  ["retry-after"] = true, allow = true,
}

local function judge_own(stream, wanted, complain, is_loose)
  if not includes(wanted.own, stream.status) then
    return complain("has %s, and not an answer of our own with %s", tostring(stream.status or stream.reset),
      table.concat(list_of(wanted.own), " or "))
  end
  if is_loose then return end
  local names = {}
  for _, field in ipairs(stream.fields) do
    if not OWN[field[1]] or names[field[1]] then complain("has a field %s: %s", field[1], field[2]) end
    names[field[1]] = field[2]
  end
  if names.server ~= "lb" or not names.date then complain "has no server or no date" end
  if stream.asked ~= "HEAD" and (h2_peer.body(stream) == "" or #h2_peer.body(stream) > 300) then
    complain "has no short body"
  end
  if not stream.ended then complain "does not end" end
end

local function judge_message(stream, wanted, complain, is_loose)
  if wanted.status and wanted.status ~= stream.status then
    return complain("has status %s, and not %d", tostring(stream.status), wanted.status)
  end
  if not is_loose and wanted.fields and text_of(stream.fields) ~= text_of(wanted.fields) then
    complain("has fields\n%s\n  and not\n%s", text_of(stream.fields), text_of(wanted.fields))
  end
  if wanted.body and h2_peer.body(stream) ~= wanted.body then
    complain("has the body %s, and not %s", shown(h2_peer.body(stream)), shown(wanted.body))
  end
  if text_of(stream.trailers) ~= text_of(wanted.trailers) and (wanted.status or wanted.trailers) then
    complain("has trailers %q, and not %q", text_of(stream.trailers), text_of(wanted.trailers))
  end
  local interim = {}
  for _, head in ipairs(stream.heads) do
    if head ~= stream.fields then interim[#interim + 1] = text_of(head) end
  end
  if not is_loose and table.concat(interim, "\n\n") ~= (wanted.interim or "") and wanted.status then
    complain("has interim heads %q, and not %q", table.concat(interim, "\n\n"), wanted.interim or "")
  end
end

local function judge_stream(stream, wanted, complain, is_loose)
  if wanted.any then return end
  if wanted.refused then
    if stream.status ~= 400 and stream.reset ~= "PROTOCOL_ERROR" then
      complain("is neither 400 nor RST_STREAM PROTOCOL_ERROR, but %s", tostring(stream.status or stream.reset))
    end
    return
  end
  if wanted.none then
    if #stream.heads > 0 or stream.reset or #stream.sizes > 0 then complain "has frames" end
    return
  end
  if wanted.own then return judge_own(stream, wanted, complain, is_loose) end
  judge_message(stream, wanted, complain, is_loose)
  if wanted.reset then
    if not includes(wanted.reset, stream.reset) then
      complain("ends with %s, and not RST_STREAM %s", stream.reset or stream.ended and "END_STREAM" or "nothing",
        table.concat(list_of(wanted.reset), " or "))
    end
    if stream.ended and not includes(wanted.reset, "NO_ERROR") then complain "has END_STREAM, too" end
    if not wanted.status and #stream.heads > 0 then complain("has a head: %s", text_of(stream.heads[1])) end
  elseif wanted.unfinished then
    if stream.ended or stream.reset then complain "has ended" end
  elseif not stream.ended or stream.reset and stream.reset ~= "NO_ERROR" then
    complain("ends with %s, and not END_STREAM", stream.reset or "nothing")
  end
end

local function judge_end(case, seen, complain)
  local last = seen.peer.goaways[#seen.peer.goaways]
  local code = last and last.code
  if case.goaway then
    if not includes(case.goaway, code) then
      complain("the client got GOAWAY %s, and not %s", tostring(code), table.concat(list_of(case.goaway), " or "))
    end
    if case.last and last and last.last ~= case.last then complain("GOAWAY has last stream %d", last.last) end
    if last and last.last > seen.peer.highest then complain("GOAWAY has last stream %d", last.last) end
    if not seen.ended then complain "the connection was left open" end
  elseif case.ends or case.h1 then
    if not seen.ended then complain "the connection was left open" end
  elseif not case.may_end then
    if code then complain("the client got GOAWAY %s %s", code, last.debug) end
    if seen.ended then complain("the connection's %s came", seen.ended) end
  end
  if case.h1 and not includes(case.h1, tonumber(seen.raw:match "^HTTP/1.1 (%d+) ")) then
    complain("the client got %s", shown(seen.raw))
  end
end

local function is_beginning(seen, wanted)
  return seen == "" or wanted:sub(1, #seen) == seen and #seen < #wanted or seen:find "chunked" and #seen < #wanted
end

local function judge_backend(case, seen, proxy, backend, complain)
  local wanted = h2_judge.wanted(case, proxy, backend)
  if case.backend_any then return end
  if case.backend_all then
    local all, got = {}, { unpack(seen.backend) }
    for i, text in ipairs(case.backend_all) do all[i] = messages.merge(h2_judge.expand(text, proxy, backend)) end
    table.sort(all)
    table.sort(got)
    if proxy.is_loose and #all == #got then return end
    if table.concat(all, "\0") ~= table.concat(got, "\0") then
      complain("the backend saw\n%s\n  and not all of\n%s", shown_all(got), shown_all(all))
    end
    return
  end
  local text, fits = table.concat(seen.backend), false
  for _, one in ipairs(wanted) do
    fits = fits or text == one or case.backend_cut and is_beginning(text, one)
  end
  if proxy.is_loose then fits = (text == "") == (wanted[1] == "") or fits or case.backend_cut end
  if not fits then complain("the backend saw\n    %s\n  and not\n%s", shown(text), shown_all(wanted)) end
end

function h2_judge.judge(case, seen, proxy, backend)
  local complaints = {}
  local function complain(...)
    complaints[#complaints + 1] = "  " .. (select("#", ...) > 1 and string.format(...) or (...))
  end
  for _, fault in ipairs(seen.peer.faults) do complain("against RFC 9113: %s", fault) end
  for id, wanted in pairs(case.streams or {}) do
    local stream = seen.peer:stream(id)
    if not case.goaway or stream.ended or stream.reset or wanted.first then
      judge_stream(stream, wanted, function(...)
        complain("stream %d %s", id, select("#", ...) > 1 and string.format(...) or (...))
      end, proxy.is_loose)
    end
  end
  judge_end(case, seen, complain)
  judge_backend(case, seen, proxy, backend, complain)
  for _, one in ipairs(seen.complaints) do complain("%s", one) end
  if case.check then case.check(seen.peer, complain, seen) end
  if #complaints == 0 then return nil end
  return ("%s: %s, sent %s\n%s"):format(case.rule, case.name, seen.way, table.concat(complaints, "\n"))
end

return h2_judge
