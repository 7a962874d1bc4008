-- verdict - what was wrong with a mutated exchange, as the independent reader judges it
-- (spec/support/reader.lua).
--
--   verdict.requests(run, lane), verdict.responses(run, lane), verdict.canary(lane, client, token)
--        each a list of { what, detail }; lane is what spec/support/campaign.lua has recorded
--   verdict.asked(bytes)              the requests in them, as the strict reader has them
--   verdict.expected(lane, ended)     what the strict reader makes of the mutated response
--   verdict.has_all(lane, client)     has the client got an answer for each of its requests?

local mutate = require "spec.support.mutate"
local reader = require "spec.support.reader"
local readings = require "spec.support.readings"

local verdict = {}

-- Beyond them lb may refuse trailers, and extensions of chunks.
local FIELDS_MAX, CODING_MAX = 128, 4096
local EMPTY_LINES = 4 -- that lb forgives before a request (RFC 9112, 2.2)

-- Fields that lb may drop, write anew or add, by RFC 9110, 7.6; all others pass as they are, but
-- for X-Forwarded-* and, of TRACE, what RFC 9110, 9.3.8 forbids.
local REWRITTEN, SECRET = {}, { cookie = true, authorization = true }
for _, name in ipairs {
  "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "proxy-authenticate",
  "proxy-authorization", "proxy-authentication-info", "content-length", "host", "forwarded", "via", "expect",
  "max-forwards", "http2-settings",
} do
  REWRITTEN[name] = true
end

-- A backend may take any other sign for "-", so lb lets such names no more pass than the real ones.
local function is_rewritten(name)
  name = name:gsub("%W", "-")
  return REWRITTEN[name] or name:sub(1, 12) == "x-forwarded-"
end

local function named_by_connection(message)
  local named = {}
  for _, value in ipairs(reader.values(message, "connection")) do
    for name in value:gmatch "[^,]+" do named[name:match("^[ \t]*(.-)[ \t]*$"):lower()] = true end
  end
  return named
end

-- The fields that pass, as one text.
local function passing(message, named)
  local list = {}
  for _, field in ipairs(message.fields) do
    local name = field[1]:lower()
    local stops = is_rewritten(name) or named[name] or (message.method == "TRACE" and SECRET[name])
    if not stops then list[#list + 1] = field[1] .. ": " .. field[2] end
  end
  return table.concat(list, "\r\n")
end

-- RFC 9110, 6.6.1: a final response that came without a date has one now, and one only. Removes it.
local function take_added_date(answer, final)
  if answer.status < 200 or reader.value(final, "date") then return true end
  local found
  for i, field in ipairs(answer.fields) do
    if field[1]:lower() == "date" then found = not found and i or 0 end
  end
  local text = (answer.fields[found] or { "", "" })[2]
  if not text:find "^%u%l%l, %d%d %u%l%l %d%d%d%d %d%d:%d%d:%d%d GMT$" then return false end
  table.remove(answer.fields, found)
  return true
end

local function closes(message)
  if reader.lists(message, "connection", "close") then return true end
  return message.version == "1.0" and not reader.lists(message, "connection", "keep-alive")
end

local function wants_upgrade(request)
  return request.version == "1.1" and #reader.values(request, "upgrade") > 0 and
    reader.lists(request, "connection", "upgrade")
end

function verdict.asked(bytes)
  local list, how, why = reader.requests(bytes, nil, EMPTY_LINES)
  for _, request in ipairs(list) do
    if request.has_head then request.wants_upgrade, request.closes = wants_upgrade(request), closes(request) end
  end
  return list, how, why
end

local function passed_on(response)
  local vias = reader.values(response, "via")
  return #vias > 0 and vias[#vias]:find "^1%.[01] lb$" ~= nil
end

local function shown_of(lane)
  return ("sent %s; ended: %s, %s\n        got %s"):format(
    mutate.escaped(lane.sent or lane.ask), lane.ending, lane.exchange and lane.exchange.ended or "?",
    mutate.escaped(lane.exchange and lane.exchange.got or ""))
end

local function finder(lane)
  local list = {}
  return list, function(what, ...)
    list[#list + 1] = { what:format(...), shown_of(lane) }
  end
end

-- --- the canary ---

function verdict.canary(lane, client, token)
  local list, how, why = reader.responses(client.got, { { method = "GET", version = "1.1" } }, client.ended)
  local answer = list[1]
  if #list == 0 or how ~= "whole" or client.ended ~= "end" then
    return { { "the canary got no answer: " .. (why or how) .. ", " .. client.ended, mutate.escaped(client.got) } }
  end
  local record = lane.by_serial[tonumber(reader.value(answer, "x-serial"))]
  if not record or record.message.target ~= token or answer.body ~= record.answer_body or answer.status ~= 200 then
    return { { "the canary got a wrong answer", mutate.escaped(client.got) } }
  end
  return {}
end

-- --- mutated requests ---

local function same_request(sent, seen)
  return sent.has_head and seen.method == sent.method and seen.target == reader.origin(sent) and
    (seen.is_whole and sent.body or sent.body:sub(1, #seen.body)) == seen.body
end

local function expected_host(request)
  local authority = not request.target:find "^/" and request.target:match "^%a+://([^/?]*)"
  return authority or reader.value(request, "host")
end

local ENDS_HERE = {
  "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "proxy-authentication-info",
  "http2-settings",
}
local CONNECTIONS = { te = true, upgrade = true, close = true, ["upgrade, te"] = true, ["close, te"] = true }

-- What lb writes of the connection to a backend is its own.
local function judge_connection_fields(find, sent, seen)
  for _, name in ipairs(ENDS_HERE) do
    if reader.value(seen, name) then find("%s reached a backend", name) end
  end
  local connection, te = reader.value(seen, "connection"), reader.value(seen, "te")
  local upgrade = reader.value(seen, "upgrade")
  if connection and not CONNECTIONS[connection:lower()] then find("Connection: %s reached a backend", connection) end
  if te and te ~= "trailers" then find("TE: %s reached a backend", te) end
  if not upgrade then return end
  if not sent.wants_upgrade then find("an Upgrade that was not asked for: %s", upgrade) end
  for protocol in upgrade:lower():gmatch "[^,%s]+" do
    local is_http2 = protocol == "h2" or protocol:find "^h2c" or protocol:find "^h2%-"
    if is_http2 or not protocol:find "^[%w!#$%%&'*+.^_`|~/-]+$" then
      find("Upgrade: %s reached a backend", upgrade)
    end
  end
end

local function judge_fields(find, sent, seen)
  judge_connection_fields(find, sent, seen)
  local named = named_by_connection(sent)
  if passing(sent, named) ~= passing(seen, named) then
    find("the fields of a request were not passed on as they were: %s", mutate.escaped(passing(seen, named)))
  end
  for name in pairs(named) do
    -- Others may be well-known fields of the message, which no option takes away.
    if name:find "^x%-" and not is_rewritten(name) and #reader.values(seen, name) > 0 then
      find("a field that Connection names was passed on: %s", name)
    end
  end
  local host = expected_host(sent)
  if host and reader.value(seen, "host") ~= host then
    find("another Host: %s for %s", reader.value(seen, "host"), host)
  end
  for _, name in ipairs { "host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host" } do
    local count = #reader.values(seen, name)
    local is_of_nobody = name == "x-forwarded-host" and not host and count == 0
    if count ~= 1 and not is_of_nobody then find("%d fields %s", count, name) end
  end
  for _, trailer in ipairs(seen.trailers or {}) do
    local known = false
    for _, one in ipairs(sent.trailers or {}) do known = known or (one[1] == trailer[1] and one[2] == trailer[2]) end
    if not known then find("a trailer that was not sent: %s", trailer[1]) end
  end
end

-- The client sent each request that a backend has seen, in this order, and at most once.
local function judge_backend(find, lane, sent)
  local at = 0
  for _, record in ipairs(lane.records) do
    local seen = record.message
    local from = seen.has_head and reader.value(seen, "x-forwarded-for") or "127."
    local is_from_a_client = from:find "127%.[%d.]*$"
    if not is_from_a_client then find("a request from an address that no client has: %s", from) end
    if is_from_a_client and not record.is_canary and (seen.has_head or not record.is_cut) then
      local found
      for i = at + 1, #sent do
        if not found and same_request(sent[i], seen) and (sent[i].is_whole or not seen.is_whole) then found = i end
      end
      -- Sent again, as nothing came back over a connection that was used before.
      if not found and at > 0 and same_request(sent[at], seen) then found = at end
      if not found then
        return find("a backend saw a request that the client did not send: %s %s, %s, from %s", seen.method,
          mutate.escaped(seen.target), mutate.escaped(seen.body), from)
      end
      at = found
      record.index = found
      judge_fields(find, sent[found], seen)
    end
  end
end

local function read_answers(lane, sent, how)
  local client = lane.exchange
  local asked = {}
  for i, request in ipairs(sent) do asked[i] = request.has_head and request or nil end
  if how == "whole" or how == "tunnel" then
    local list, got_how, why = reader.responses(client.got, asked, client.ended)
    return list, asked, got_how, why
  end
  -- A request that is none may have looked like HEAD, and nobody waits for more behind its answer.
  local from = sent[#sent].from
  local method = lane.sent:match("^%a+", from) == "HEAD" and "HEAD" or "GET"
  asked[#sent] = asked[#sent] or { method = method, version = "1.1" }
  local list, verdict_, why = reader.responses(client.got, asked, client.ended)
  if (verdict_ == "surplus" or verdict_ == "cut") and not sent[#sent].has_head then
    asked[#sent].method = asked[#sent].method == "HEAD" and "GET" or "HEAD"
    local other, other_verdict = reader.responses(client.got, asked, client.ended)
    if other_verdict == "whole" then return other, asked, other_verdict end
  end
  return list, asked, verdict_, why
end

-- What lb refuses, although it is valid: see spec/support/mutated_heads.lua.
local function is_refused_by_choice(request, text)
  for _, choice in ipairs { "limits%.", "Max%-Forwards", "TRACE", "bytes of chunk sizes" } do
    if text:find(choice) then return true end
  end
  return request.method == "CONNECT" or reader.connection_options(request) > 64 or
    reader.has_white_extensions(request)
end

local function judge_own(run, find, lane, answer, request, is_last)
  local text = answer.status .. " " .. (answer.body or ""):gsub("\n$", "")
  run.counts[text] = (run.counts[text] or 0) + 1
  if not is_last and closes(answer) then find("an answer behind lb's own %d", answer.status) end
  if answer.status >= 500 and answer.status ~= 501 and answer.status ~= 505 and answer.status ~= 502 then
    find("lb answered %s", text)
  end
  if request and request.is_whole and answer.status >= 400 and answer.status ~= 502 then
    if not is_refused_by_choice(request, text) then find("a valid request was refused: %s", text) end
    local refused = run.refused[text] or { count = 0, number = lane.number, bytes = lane.sent }
    refused.count = refused.count + 1
    run.refused[text] = refused
  end
end

local function judge_answer(run, find, lane, answer, request, is_last)
  if request and request.version == "1.0" and answer.framing == "chunked" then find "chunks for an HTTP/1.0 client" end
  if answer.framing == "close" and request and request.version == "1.1" then
    find "an answer to a 1.1 client that only the end of the connection ends"
  end
  if not passed_on(answer) then return judge_own(run, find, lane, answer, request, is_last) end
  local serial = tonumber(reader.value(answer, "x-serial"))
  local record = lane.by_serial[serial]
  if not record then return find("an answer that belongs to nobody here: serial %s", tostring(serial)) end
  if record.is_canary then return find "the canary's answer" end
  if not request or not same_request(request, record.message) then
    return find("an answer to another request: to %s %s", record.message.method, mutate.escaped(record.message.target))
  end
  if answer.framing == "none" or answer.status == 101 then return end
  if answer.is_whole and record.style == "truncated" then find "a body that was cut short looks whole" end
  if answer.is_whole and answer.body ~= record.answer_body then
    find("another body than the backend's: %s", mutate.escaped(answer.body))
  end
end

local function judge_tunnel(find, lane, answer, request)
  local record = lane.by_serial[tonumber(reader.value(answer, "x-serial"))]
  if not record or not record.tunnelled then return find "a tunnel that no backend has begun" end
  local early = table.concat(record.tunnelled)
  local sent = lane.sent:sub(request.to + 1)
  local is_whole = early == sent or (lane.ending == "reset" and sent:sub(1, #early) == early)
  if not is_whole then find("the tunnel's bytes are not those that were sent: %s", mutate.escaped(early)) end
  if answer.rest ~= "hello" then find("the tunnel's answer is not what was sent: %s", mutate.escaped(answer.rest)) end
end

local function judge_answers(run, find, lane, sent, how)
  local client = lane.exchange
  local list, asked, got_how, why = read_answers(lane, sent, how)
  if type(got_how) == "string" and (got_how == "bad" or got_how == "surplus") then
    return find("what the client got is %s: %s", got_how, why or "")
  end
  local disagreement = readings.of_responses(client.got, asked, client.ended, list, got_how)
  if disagreement then find("two readings of what the client got: %s", disagreement) end
  local answered = 0
  for i, answer in ipairs(list) do
    local request = sent[answered + 1]
    if answer.is_interim and answer.status ~= 101 then
      if request and request.version == "1.0" then find "an interim response for an HTTP/1.0 client" end
    elseif answer.has_head then
      judge_answer(run, find, lane, answer, request, i == #list)
      if answer.status == 101 and got_how == "tunnel" then return judge_tunnel(find, lane, answer, request) end
      answered = answered + 1
    end
  end
  local last = list[#list]
  local wanted = 0
  for _, request in ipairs(sent) do
    if not request.is_whole then break end
    wanted = wanted + 1
    if request.closes then break end
  end
  if answered < wanted and got_how == "whole" and client.ended == "end" and not (last and closes(last)) then
    find("%d answers to %d valid requests", answered, wanted)
  end
end

function verdict.requests(run, lane)
  local list, find = finder(lane)
  local sent, how, why = verdict.asked(lane.sent)
  local kind = "sent: " .. how .. (why and ", " .. why or "")
  run.counts[kind] = (run.counts[kind] or 0) + 1
  judge_backend(find, lane, sent)
  if lane.exchange.ended ~= "own reset" then judge_answers(run, find, lane, sent, how) end
  return list
end

-- --- mutated responses ---

function verdict.expected(lane, ended)
  ended = ended or ({ fin = "end", reset = "reset" })[lane.ending]
  local list, how, why = reader.responses(lane.bytes, { lane.requests[1] }, ended)
  local expected = { list = list, how = how, why = why, interims = 0 }
  for _, message in ipairs(list) do
    if message.status == 101 or (message.has_head and not message.is_interim) then
      expected.final = expected.final or message
    elseif message.is_whole then
      expected.interims = expected.interims + 1
    end
  end
  local final = expected.final
  expected.is_whole = final and final.is_whole and how ~= "bad"
  -- Else no request may follow on that connection, however soon.
  expected.is_reusable = how == "whole" and final and final.is_whole and final.framing ~= "close" and not closes(final)
  -- Nothing but the end of the connection ends this.
  expected.needs_end = how == "cut" or (final and final.framing == "close")
  return expected
end

function verdict.has_all(lane, client)
  local list, how = reader.responses(table.concat(client.parts), lane.requests, nil)
  if how == "bad" or how == "surplus" then return true end
  local count = 0
  for _, message in ipairs(list) do
    if message.is_whole and not message.is_interim then count = count + 1 end
  end
  return count == #lane.requests
end

local function judge_mutated_tunnel(find, lane, answer, final)
  if not lane.requests[1].wants_upgrade then find "a tunnel that nobody asked for" end
  local sent, received = lane.ask:sub(lane.requests[1].to + 1), table.concat(lane.tunnelled)
  if received ~= sent and lane.ending == "stays" then find("the tunnel's bytes are: %s", mutate.escaped(received)) end
  if answer.rest ~= final.rest and lane.ending ~= "reset" then
    find("the tunnel's answer is not what was sent: %s", mutate.escaped(answer.rest))
  end
end

-- Framing in trailers is an error of the sender (RFC 9110, 6.5.1); lb may take it as one. lb also
-- has limits.
local function is_cut_by_choice(final)
  if #(final.trailers or {}) > FIELDS_MAX or #(final.extensions or "") > CODING_MAX then return true end
  for _, field in ipairs(final.trailers or {}) do
    local name = field[1]:lower()
    if name == "content-length" or name == "transfer-encoding" then return true end
  end
  return reader.has_white_extensions(final)
end

-- What the client got for the request whose answer was mutated.
local function judge_mutated(run, find, lane, answer)
  local expected = lane.expected
  local final = expected.final
  if not passed_on(answer) then
    local text = answer.status .. " " .. (answer.body or ""):gsub("\n$", "")
    run.counts[text] = (run.counts[text] or 0) + 1
    if answer.status ~= 502 and answer.status ~= 504 then find("lb answered %s", text) end
    if expected.is_whole and final.status ~= 101 and lane.ending ~= "reset" then
      local refused = run.refused[text] or { count = 0, number = lane.number, bytes = lane.bytes }
      refused.count = refused.count + 1
      run.refused[text] = refused
    end
    return
  end
  if not final then return find("an answer out of bytes that are none (%s)", expected.why or expected.how) end
  if expected.how == "bad" and not final.has_head then return find("a malformed head was passed on") end
  if answer.status ~= final.status then
    return find("status %d, and the backend's was %d", answer.status, final.status)
  end
  local named = named_by_connection(final)
  if not take_added_date(answer, final) then find "a response without one date" end
  if passing(answer, named) ~= passing(final, named) then
    find("the fields of a response were not passed on as they were: %s", mutate.escaped(passing(answer, named)))
  end
  if answer.status == 101 then return judge_mutated_tunnel(find, lane, answer, final) end
  if answer.is_whole and not final.is_whole then
    find("a body that is not whole looks whole to the client (%s)", expected.why or expected.how)
  elseif answer.is_whole and answer.body ~= final.body then
    find("another body: %s", mutate.escaped(answer.body))
  elseif not answer.is_whole and expected.is_whole and lane.ending ~= "reset" and not is_cut_by_choice(final) then
    find "a whole response was cut"
  elseif not answer.is_whole and final.body:sub(1, #answer.body) ~= answer.body then
    find("another body, cut: %s", mutate.escaped(answer.body))
  end
end

local function judge_sentinel(find, lane, answer)
  if not passed_on(answer) then return end
  local record = lane.by_serial[tonumber(reader.value(answer, "x-serial"))]
  if not record or record.message.target ~= lane.requests[2].target or answer.body ~= record.answer_body then
    find "the second request on the connection got a wrong answer"
  end
end

function verdict.responses(run, lane)
  local list, find = finder(lane)
  local client, asked = lane.exchange, lane.requests
  local kind = "given: " .. lane.expected.how .. (lane.expected.why and ", " .. lane.expected.why or "")
  run.counts[kind] = (run.counts[kind] or 0) + 1
  local ended = client.ended ~= "own end" and client.ended or nil
  local got, how, why = reader.responses(client.got, asked, ended)
  if how == "bad" or how == "surplus" then
    find("what the client got is %s: %s", how, why)
    return list
  end
  local disagreement = readings.of_responses(client.got, asked, ended, got, how)
  if disagreement then find("two readings of what the client got: %s", disagreement) end
  local answered, interims = 0, 0
  for _, answer in ipairs(got) do
    if answer.is_interim and answer.status ~= 101 then
      interims = interims + 1
      if asked[answered + 1].version == "1.0" then find "an interim response for an HTTP/1.0 client" end
    elseif answer.has_head then
      answered = answered + 1
      if asked[answered].version == "1.0" and answer.framing == "chunked" then find "chunks for an HTTP/1.0 client" end
      if asked[answered].version == "1.1" and answer.framing == "close" then
        find "an answer to a 1.1 client that only the end of the connection ends"
      end
      if answered == 1 then judge_mutated(run, find, lane, answer) else judge_sentinel(find, lane, answer) end
    end
  end
  if interims > lane.expected.interims then find("%d interim responses of %d", interims, lane.expected.interims) end
  return list
end

return verdict
