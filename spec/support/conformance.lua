-- conformance - tables of bytes, each played between a raw client, a proxy and a raw backend.
--
-- spec/cases/*.lua return lists of cases. A case has
--   rule      the rule's id in core/reference/rules.md
--   name      what it is about: the end of "a request with ..." or so
--   send      what the client sends: bytes, or a list of pieces (each sent when the one before was
--             taken: the proxy's receive queue is empty)
--   answer    what the backend sends for the request: bytes, or a list; without: 200 with a body of
--             its own, which is "METHOD target"
--             answers = { answer, answer }: one for each request, in order
--             answer_ends = true: then the backend closes;  answer_resets = true: with a reset
--             in send and in answer a piece may be a table: { got = text } waits until that side
--             has received the text (plain, since the case began), { peer_got = text } until the
--             other side has, { finish = true } half-closes there, { pause = seconds }.
--             The backend begins to answer when it has the whole request, or, if answer begins with
--             { got = .. }, when it has that
--   backend   the exact bytes that the backend must see, or a list of accepted ones; or false: not
--             one byte; without: what was sent, with %added% at the end of its head
--             backend_cut = true: then its connection is ended by the proxy before the request is
--             complete; what it saw must be a beginning of backend then (nothing at all, too)
--   client    the exact bytes that the client must get, or a list of accepted ones; %date% in
--             it stands for any date; without: the answers that a backend without `answer`
--             gives, as they come through; if connection = "close" or "keep-alive" is given,
--             with that line in the last of them
--   refused   a status (or a list): our own answer with that status, Connection: close, and the end
--             of the connection; implies backend = false, unless backend is given: then the answers
--             to the whole requests in it come first (or what client says; nothing, if it is answer
--             that is refused). The first of a list may be 0: an end without an answer will do
--   cut       true: the client's connection ends before what it got was a complete message
--   keeps     true: the client's connection takes another request afterwards (the canary goes
--             there, too); with refused: our own answer without Connection: close
--             false: the proxy ends it, without a reset, after what the client must get
--   discards  true: the connection to the backend is ended by the proxy and takes no other request
--   ways      how it is sent; without: what conformance.ways gives
--   limits    settings that the case needs (text of a script's table); cases with the same text
--             share a balancer
-- In backend and client, %backend% is the backend's address, and %added% stands for what lb adds to
-- every request: the lines from X-Forwarded-For to Via, each with its line end, with the host of
-- the Host line above (and Forwarded, if limits say forwarded = true). %via% is lb's Via line, with
-- its line end. Both say 1.0 if what was sent is HTTP/1.0; %added10%, %via10%, %added11% and
-- %via11% say it themselves. The pieces of a chunked body may be cut at other places than in
-- backend and client; everything else is compared byte for byte.
-- After each case a canary request goes out, over a connection of its own, and to the same backend;
-- its answer must be its own.
--
--   conformance.load(prefix)      the cases of spec/cases/PREFIX*.lua, in order; each gets .file;
--                                 "" gives all but those of HTTP/2
--   conformance.groups(cases)     lists of those with the same limits, each with .limits or nil
--   conformance.sent(case)        what the client sends, as one text
--   conformance.ways(case)        "whole", "bytes" (a byte at a time; what is long in a few pieces,
--                                 seeded), "late" (the body after the backend has the head)
--   conformance.wanted(case, proxy, backend)   { client = list or nil, backend = list or false },
--                                              tokens replaced
--   conformance.play(case, proxy, backend, way, wanted)   what was seen on both sides, as bytes
--                                 proxy: { address =, name =, patience = seconds, scheme = "http" }
--                                 backend: recorder.new()
--   conformance.judge(case, seen, wanted)   nil, or what is wrong, with both sides
--   conformance.specs(title, prefix, over)   all of that as specs, against lb; over: only
--                                 { each =, version = }: a sample, whole, over that version of TLS

local uv = require "luv"
local loop = require "spec.support.loop"
local messages = require "spec.support.messages"
local recorder = require "spec.support.recorder"
local tap = require "spec.support.tap"

local conformance = {}

local LONG = 700 -- bytes; what is longer is not sent a byte at a time
local DATE = "%a%a%a, %d%d %a%a%a %d%d%d%d %d%d:%d%d:%d%d GMT"

local function list_of(value) return type(value) == "table" and value or { value } end

function conformance.load(prefix)
  local files, cases = {}, {}
  local scan = assert(uv.fs_scandir "spec/cases")
  for name in function() return uv.fs_scandir_next(scan) end do
    local file = name:match "^(.+)%.lua$"
    local is_h2 = file and file:find "^h2_" -- of spec.support.h2_conformance
    if file and file:sub(1, #prefix) == prefix and not (is_h2 and prefix == "") then files[#files + 1] = file end
  end
  table.sort(files)
  for _, file in ipairs(files) do
    for i, case in ipairs(require("spec.cases." .. file)) do
      assert(case.rule and case.name and case.send, ("%s: case %d has no rule, name or send"):format(file, i))
      case.file = file
      cases[#cases + 1] = case
    end
  end
  return cases
end

function conformance.groups(cases)
  local groups, by_limits = {}, {}
  for _, case in ipairs(cases) do
    local key = case.limits or ""
    if not by_limits[key] then
      by_limits[key] = { limits = case.limits }
      groups[#groups + 1] = by_limits[key]
    end
    table.insert(by_limits[key], case)
  end
  return groups
end

function conformance.ways(case)
  if case.ways then return case.ways end
  if type(case.send) ~= "string" then return { "whole" } end
  return case.backend_cut and { "whole", "bytes", "late" } or { "whole", "bytes" }
end

-- What was sent as one text, without what is no bytes.
function conformance.sent(case)
  local parts = {}
  for _, piece in ipairs(list_of(case.send)) do
    if type(piece) == "string" then parts[#parts + 1] = piece end
  end
  return table.concat(parts)
end

local function version_of(case)
  return conformance.sent(case):match "^[\r\n]*[^\r\n]* HTTP/1%.([01])\r\n" or "1"
end

local function added(before, minor, case, own, scheme)
  local host = ""
  for value in before:gmatch "\n[Hh][Oo][Ss][Tt]: ([^\r]*)\r" do host = value end
  local lines = { "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: " .. scheme }
  local port = scheme == "https" and "443" or "80"
  -- Its own host is the one of a request that named none.
  if host ~= own then lines[#lines + 1] = "X-Forwarded-Host: " .. host end
  lines[#lines + 1] = "X-Forwarded-Port: " .. (host ~= own and host:match ":(%d+)$" or port)
  if (case.limits or ""):find "forwarded *= *true" then
    local quoted = host:find "[^%w.-]" and '"' .. host .. '"' or host
    lines[#lines + 1] = ("Forwarded: for=127.0.0.1;host=%s;proto=%s"):format(quoted, scheme)
  end
  lines[#lines + 1] = ("Via: 1.%s lb\r\n"):format(minor)
  return table.concat(lines, "\r\n")
end

local function expand(text, case, backend, scheme)
  local version = version_of(case)
  text = text:gsub("%%backend%%", backend.address)
  text = text:gsub("%%via1?([01]?)%%", function(minor)
    return ("Via: 1.%s lb\r\n"):format(minor ~= "" and minor or version)
  end)
  while true do
    local from, to, minor = text:find "%%added1?([01]?)%%"
    if not from then return text end
    local before = text:sub(1, from - 1)
    text = before .. added(before, minor ~= "" and minor or version, case, backend.address, scheme) ..
      text:sub(to + 1)
  end
end

-- What comes of the recorder's own answers to these requests.
local function own_answers(case, requests)
  local answers, at = {}, 1
  while true do
    local message = messages.next(requests, at)
    if not message or not message.complete then break end
    at = message.stop
    local last = at > #requests
    local body = message.method .. " " .. message.target
    answers[#answers + 1] = ("HTTP/1.1 200 OK\r\nVia: 1.1 lb\r\nContent-Length: %d\r\n%s\r\n%s"):format(#body,
      last and case.connection and ("Connection: %s\r\n"):format(case.connection) or "", body)
  end
  return table.concat(answers)
end

local function wanted_of_backend(case)
  if case.backend ~= nil then return case.backend and list_of(case.backend) end
  if case.refused then return false end
  return { (conformance.sent(case):gsub("\r\n\r\n", "\r\n%%added%%\r\n", 1)) }
end

function conformance.wanted(case, proxy, backend)
  local wanted = { backend = wanted_of_backend(case) }
  local function expanded(list)
    local all = {}
    for i, text in ipairs(list) do all[i] = tap.dateless(expand(text, case, backend, proxy.scheme or "http")) end
    return all
  end
  wanted.backend = wanted.backend and expanded(wanted.backend)
  if case.client then
    wanted.client = expanded(list_of(case.client))
  elseif case.refused and case.answer then
    wanted.client = { "" }
  elseif wanted.backend then
    assert(case.refused or not case.answer and not case.answers, case.name .. ": what does the client get?")
    wanted.client = { own_answers(case, wanted.backend[1]) }
  end
  return wanted
end

-- Seconds that lb has for what it does at once: only a wrong answer, or none, takes that long.
local PATIENCE = 30

-- Bounds a wait that may be in vain: what was seen until then is judged.
local function wait_up_to(seconds, what, ready)
  local deadline = loop.now() + seconds * loop.slow
  loop.wait(what, function() return ready() or loop.now() > deadline end, seconds + 5)
end

local function comparable(text, wanted)
  text = messages.merge(text)
  return wanted and wanted:find("%date%", 1, true) and text:gsub(DATE, "%%date%%") or text
end

local function is_one_of(text, list)
  for _, wanted in ipairs(list) do
    if text == wanted or comparable(text, wanted) == messages.merge(wanted) then return true end
  end
  return false
end

local function ends(case) return case.keeps == false or case.cut or case.refused and not case.keeps end

local function client_is_served(case, client, wanted)
  if client.ended then return true end
  if ends(case) then return false end
  if case.refused then
    local answer = messages.next(client:text(), #(wanted.client and wanted.client[1] or "") + 1)
    -- An answer to HEAD ends with its head (RFC 9110, 9.3.2).
    return answer and (answer.complete or case.send:match "^HEAD ")
  end
  if wanted.client then return is_one_of(client:text(), wanted.client) end
  local answer = messages.next(client:text(), 1)
  return answer and answer.complete
end

local function backend_is_served(case, backend, wanted)
  if not wanted.backend then return true end
  if case.backend_cut or case.discards then
    for _, conn in ipairs(backend:connections()) do
      if not conn.ended then return false end
    end
    return case.backend_cut or is_one_of(backend:text(), wanted.backend)
  end
  return is_one_of(backend:text(), wanted.backend)
end

local function may_become(text, list)
  for _, wanted in ipairs(list) do
    if wanted:sub(1, #text) == text then return true end
    if wanted:find("%date%", 1, true) or wanted:find("chunked", 1, true) then return true end
  end
  return false
end

-- Not worth a wait.
local function is_wrong_already(case, client, backend, wanted)
  if not wanted.backend then return backend:text() ~= "" end
  return not may_become(backend:text(), wanted.backend)
    or not case.refused and wanted.client and not may_become(client:text(), wanted.client)
end

-- Ends of pieces: the same ones for the same text, and no two far apart ones.
local function cuts_of(text)
  local seed, cuts, at = #text, {}, 0
  while at < #text do
    seed = (seed * 1103515245 + 12345) % 2147483648
    at = at + 1 + seed % math.ceil(#text / 6)
    cuts[#cuts + 1] = at < #text and at or nil
  end
  return cuts
end

local function send(case, client, backend, way)
  if way == "whole" then
    client:play(case.send, nil, function() return backend:text() end)
  elseif way == "bytes" then
    client:dribble(case.send, #case.send > LONG and cuts_of(case.send) or nil)
  else
    local _, head = assert(case.send:find("\r\n\r\n", 1, true))
    client:send(case.send:sub(1, head))
    wait_up_to(PATIENCE, "the backend to get the head", function()
      return client.ended or backend:text():find("\r\n\r\n", 1, true)
    end)
    client:send(case.send:sub(head + 1))
  end
end

local canaries = 0

-- One more request, which nobody may answer but the backend, and which must reach it as it is.
local function canary(kind, client, proxy, backend, limits)
  canaries = canaries + 1
  local target = "/canary-" .. canaries
  local request = ("GET %s HTTP/1.1\r\nHost: canary.test\r\n"):format(target)
  local case = { name = "a canary", limits = limits, send = request, backend = request .. "%added%\r\n" }
  local wanted = conformance.wanted(case, proxy, backend)
  local from = client:length() + 1
  local seen = { kind = kind, target = target, wanted = wanted }
  backend:mark()
  client:send(request .. "\r\n")
  wait_up_to(proxy.patience or PATIENCE, "the canary's answer", function()
    seen.client, seen.backend = client:text(from), backend:text()
    return client.ended or seen.client == wanted.client[1] and seen.backend == wanted.backend[1]
  end)
  seen.client, seen.backend, seen.client_end = client:text(from), backend:text(), client.ended
  return seen
end

function conformance.play(case, proxy, backend, way, wanted)
  local client = tap.connect(proxy.address, "client")
  backend:begin(case, client)
  send(case, client, backend, way)
  wait_up_to(proxy.patience or PATIENCE, "the client to be served", function()
    if client.ended and not ends(case) or is_wrong_already(case, client, backend, wanted) then return true end
    return client_is_served(case, client, wanted) and backend_is_served(case, backend, wanted)
  end)
  local seen = {
    way = way, client = client:text(), client_end = client.ended, backend = backend:text(),
    connections = backend:connections(), canaries = {},
  }
  local function add_canary(kind, conn)
    table.insert(seen.canaries, canary(kind, conn, proxy, backend, case.limits))
  end
  if case.keeps and not client.ended then add_canary("the same connection", client) end
  local other = tap.connect(proxy.address, "canary")
  add_canary("another connection", other)
  other:close()
  client:close()
  return seen
end

local function shown(text)
  if #text > 3000 then text = text:sub(1, 1500) .. ("[%d bytes]"):format(#text - 3000) .. text:sub(-1500) end
  text = text:gsub("\\", "\\\\"):gsub("[^\32-\126\n]", function(c)
    return c == "\r" and "\\r" or c == "\t" and "\\t" or ("\\x%02x"):format(c:byte())
  end)
  return '    "' .. text:gsub("\n", "\\n\n     "):gsub("\n     $", "") .. '"'
end

local function shown_list(list)
  if not list then return "    not one byte" end
  local all = {}
  for i, text in ipairs(list) do all[i] = shown(text) end
  return table.concat(all, "\n  or\n")
end

local OWN_FIELDS = { ["Content-Type"] = true, ["Retry-After"] = true, Allow = true }

-- nil, or what is wrong with an answer of our own.
local function fault_of_own_answer(case, text, before)
  if text:sub(1, #before) ~= before then return "does not begin with the answers to the requests before" end
  text = text:sub(#before + 1)
  local message = messages.next(text, 1)
  if not message then return "is no answer" end
  local allowed = false
  for _, status in ipairs(list_of(case.refused)) do allowed = allowed or status == message.status end
  if not allowed or not message.first:find "^HTTP/1%.1 %d%d%d %u" then return "has another status" end
  local fields = {}
  for name, value in message.head:gmatch "\n([^:\r]+): ([^\r]*)" do
    if fields[name] then return "has two fields " .. name end
    fields[name] = value
  end
  local body = text:sub(#message.head + 1)
  local is_head = conformance.sent(case):find "^HEAD "
  if not (fields.Date or ""):find("^" .. DATE .. "$") then return "has no date" end
  if fields.Server ~= "lb" then return "has no Server: lb" end
  if not is_head and fields["Content-Length"] ~= tostring(#body) then return "has another length" end
  if not is_head and (#body == 0 or #body > 300) then return "has no short body" end
  if is_head and #body > 0 then return "has a body for HEAD" end
  if not case.keeps and fields.Connection ~= "close" then return "does not say Connection: close" end
  if case.keeps and fields.Connection == "close" then return "says Connection: close" end
  fields.Date, fields.Server, fields["Content-Length"], fields.Connection = nil, nil, nil, nil
  for name in pairs(fields) do
    if not OWN_FIELDS[name] then return "has a field " .. name end
  end
end

-- Does what came say by itself that something is missing?
local function is_visibly_cut(seen)
  if seen.client_end == "reset" then return true end
  local at = 1
  while at <= #seen.client do
    local message = messages.next(seen.client, at)
    if not message or not message.complete then return true end
    -- Of a body until the end of the connection only a reset shows that something is missing.
    local is_framed = message.is_chunked or message.head:lower():find("\ncontent-length:", 1, true)
    if message.status >= 200 and not is_framed then return false end
    at = message.stop
  end
  return false
end

local function fault_of_end(case, seen)
  local how = seen.client_end or "still open"
  if case.cut then
    return not (seen.client_end and is_visibly_cut(seen)) and "  and nothing shows that it was cut: " .. how
  elseif ends(case) then
    return seen.client_end ~= "end" and "  and then no end: " .. how
  end
  return case.keeps and seen.client_end and "  and then the connection's " .. how
end

local function fault_of_bytes(case, seen, wanted)
  if not case.refused then
    return wanted.client and not is_one_of(seen.client, wanted.client) and "  and not\n" .. shown_list(wanted.client)
  end
  local before = wanted.client and wanted.client[1] or ""
  if seen.client == before and list_of(case.refused)[1] == 0 then return nil end
  local fault = fault_of_own_answer(case, seen.client, before)
  return fault and ("  which %s; wanted is an answer of our own with %s"):format(fault,
    table.concat(list_of(case.refused), " or "))
end

local function judge_client(case, seen, wanted, complain)
  local faults = { ("  the client got\n%s"):format(shown(seen.client)) }
  faults[#faults + 1] = fault_of_bytes(case, seen, wanted) or nil
  faults[#faults + 1] = fault_of_end(case, seen) or nil
  if #faults > 1 then complain(table.concat(faults, "\n")) end
end

-- Is seen a beginning of wanted that ends before the request does?
local function is_beginning(seen, wanted)
  local some, all = messages.next(seen, 1), messages.next(wanted, 1)
  if not some then return wanted:sub(1, #seen) == seen end
  return some.head == all.head and not some.complete and not some.broken
    and all.data:sub(1, #some.data) == some.data and some.stop > #seen
end

local function judge_backend(case, seen, wanted, complain)
  local saw = ("  the backend saw\n%s\n"):format(shown(seen.backend))
  local fits = not wanted.backend and seen.backend == ""
  if wanted.backend and case.backend_cut then
    for _, text in ipairs(wanted.backend) do fits = fits or is_beginning(seen.backend, text) end
  elseif wanted.backend then
    fits = is_one_of(seen.backend, wanted.backend)
  end
  if not fits then
    complain("%s  and not%s\n%s", saw, case.backend_cut and " a beginning of" or "", shown_list(wanted.backend))
  end
  if case.backend_cut or case.discards then
    for _, conn in ipairs(seen.connections) do
      if not conn.ended_by_proxy then complain("%s  and its connection was not ended", saw) end
    end
  end
end

local function judge_canary(one, complain)
  if one.client ~= one.wanted.client[1] then
    complain("  the canary %s over %s got\n%s\n  and not\n%s", one.target, one.kind, shown(one.client),
      shown_list(one.wanted.client))
  end
  if one.backend ~= one.wanted.backend[1] then
    complain("  of the canary %s over %s the backend saw\n%s\n  and not\n%s", one.target, one.kind,
      shown(one.backend), shown_list(one.wanted.backend))
  end
end

function conformance.judge(case, seen, wanted)
  local complaints = {}
  local function complain(...) complaints[#complaints + 1] = select("#", ...) > 1 and string.format(...) or (...) end
  judge_client(case, seen, wanted, complain)
  judge_backend(case, seen, wanted, complain)
  for _, one in ipairs(seen.canaries) do judge_canary(one, complain) end
  if #complaints == 0 then return nil end
  return ("%s: %s, sent %s\n%s\n%s"):format(case.rule, case.name, seen.way, shown(conformance.sent(case)),
    table.concat(complaints, "\n"))
end

local function check(case, proxy, backend, over)
  local wanted = conformance.wanted(case, proxy, backend)
  for _, way in ipairs(over and { "whole" } or conformance.ways(case)) do
    local wrong = conformance.judge(case, conformance.play(case, proxy, backend, way, wanted), wanted)
    if wrong then error(wrong .. "\nthis has happened:\n" .. loop.story(12), 0) end
  end
end

function conformance.specs(title, prefix, over)
  local play, tls_relay = require "spec.support.play", require "spec.support.tls_relay"
  local busted = getfenv(2) -- describe and it are known to the spec's own file only
  local all = conformance.load(prefix)
  for _, group in ipairs(conformance.groups(over and tls_relay.sample(all, over.each) or all)) do
    busted.describe(title .. (group.limits and " with " .. group.limits:gsub("%s+", " ") or ""), function()
      local proxy, backend
      busted.setup(function()
        backend = recorder.new()
        if over then
          proxy = tls_relay.balancer(group.limits, backend, over.version)
        else
          proxy = play.balancer { settings = group.limits, backends = { backend.address } }
        end
      end)
      busted.teardown(function()
        tap.clear()
        backend:stop()
        play.curtain()
      end)
      for _, case in ipairs(group) do
        busted.it(("%s: %s"):format(case.rule, case.name), function() check(case, proxy, backend, over) end)
      end
    end)
  end
end

return conformance
