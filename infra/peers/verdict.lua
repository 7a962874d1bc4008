-- verdict - what a proxy made of a case, in a few words: by properties, not by its bytes. Pure.
--
--   verdict.of(case, seen, wanted)   the verdict; for the same properties the same words:
--     "refused(400)"         its own answer; the backend saw nothing, or its answer went no further
--     "refused(closed)"      the same by an end of the connection
--     "refused(silent)"      the same by nothing at all
--     "passed"               forwarded as lb does it, but for fields that are added or of the
--                            connection
--     "passed, changed: .."  forwarded, but changed: which part
--     "cut"                  the side that was to get it sees that it is unfinished
--     "ended as whole"       ..., and must not think that it is whole: it thinks so
--   "left open"            ..., and the connection stays open as if there were more to come
--   behind each, if it is so: "; canary lost" (another request got no answer, or a wrong one)
--   verdict.family(text)     what is compared: without status codes and details

local verdict = {}

-- Of the connection, or added or rewritten by every proxy in its own way.
local OWN = {}
for name in ([[connection keep-alive te via content-length transfer-encoding host date server upgrade
  x-forwarded-for x-forwarded-proto x-forwarded-host x-forwarded-port]]):gmatch "%S+" do
  OWN[name] = true
end

-- The fields that count, in order, and all by name. Letter case and white space do not count.
local function fields_of(head, all)
  local fields, by_name = {}, {}
  for line in head:gmatch "\r\n([^\r\n]+)" do
    local name, value = line:match "^([^:]*):[ \t]*(.-)[ \t]*$"
    if not name then name, value = line, "" end
    name = name:lower()
    by_name[name] = by_name[name] or value
    if all or not OWN[name] then fields[#fields + 1] = name .. ": " .. value end
  end
  return fields, by_name
end

-- Takes chunks apart: gives data, trailers, complete, and the first byte behind.
local function read_chunks(bytes, at)
  local data = {}
  while true do
    local _, stop, digits = bytes:find("^(%x+)[^\r\n]*\r\n", at)
    if not stop then return table.concat(data), "", false, #bytes + 1 end
    local size = tonumber(digits, 16)
    at = stop + 1
    if size == 0 then
      local _, last = bytes:find("^\r\n", at)
      if not last then _, last = bytes:find("\r\n\r\n", at, true) end
      if not last then return table.concat(data), "", false, #bytes + 1 end
      return table.concat(data), bytes:sub(at, last - 2), true, last + 1
    end
    data[#data + 1] = bytes:sub(at, at + size - 1)
    if #bytes < at + size + 1 then return table.concat(data), "", false, #bytes + 1 end
    at = at + size + 2
  end
end

local function has_no_body(message, method)
  return message.status and (method == "HEAD" or message.status < 200 or message.status == 204 or message.status == 304)
end

-- The message at byte from; complete: its framing is at its end; ending: how the connection ended.
local function read_message(bytes, from, method, ending)
  local _, stop = bytes:find("\r\n\r\n", from, true)
  if not stop then
    return { first = bytes:sub(from), fields = {}, trailers = {}, body = "", complete = false, stop = #bytes + 1 }
  end
  local head = bytes:sub(from, stop - 2)
  local message = { first = head:match "^[^\r\n]*", body = "", trailers = {}, complete = true, stop = stop + 1 }
  message.fields, message.by_name = fields_of(head)
  message.status, message.reason = message.first:match "^HTTP/%d%.%d (%d%d%d) ?(.*)$"
  message.status = tonumber(message.status)
  message.method, message.target = message.first:match "^(%S+) (%S+) HTTP/"
  local coding, length = message.by_name["transfer-encoding"], tonumber(message.by_name["content-length"])
  if has_no_body(message, method) then
    if message.status == 101 then message.body, message.stop = bytes:sub(stop + 1), #bytes + 1 end
  elseif coding then
    local trailers
    message.body, trailers, message.complete, message.stop = read_chunks(bytes, stop + 1)
    message.trailers = fields_of("\r\n" .. trailers, true)
  elseif length then
    message.body = bytes:sub(stop + 1, stop + length)
    message.complete = #message.body == length
    message.stop = stop + 1 + #message.body
  elseif message.status then
    message.body, message.stop = bytes:sub(stop + 1), #bytes + 1
    message.complete = ending == "end"
  end
  return message
end

local function read_all(bytes, methods, ending)
  local list, at, finals = {}, 1, 0
  while at <= #bytes do
    local message = read_message(bytes, at, methods[finals + 1], ending)
    if message.status == nil or message.status >= 200 then finals = finals + 1 end
    list[#list + 1] = message
    at = message.stop
  end
  return list
end

local function requests_in(bytes) return read_all(bytes, {}) end

-- A case's bytes, without what is none in a list of pieces.
local function text_of(pieces)
  if type(pieces) == "string" then return pieces end
  local parts = {}
  for _, piece in ipairs(pieces) do
    if type(piece) == "string" then parts[#parts + 1] = piece end
  end
  return table.concat(parts)
end

-- The methods of what the client sent, so far as it can be read.
local function methods_sent(case)
  local methods = {}
  for method in ("\n" .. text_of(case.send)):gmatch "\n(%u+) %S+ HTTP/1%.%d\r\n" do methods[#methods + 1] = method end
  return methods
end

local function is_own(message, name)
  if not message.status or message.status < 400 then return false end
  local by_name = message.by_name
  if name == "haproxy" then return by_name["cache-control"] == "no-cache" and by_name["content-type"] == "text/html" end
  return by_name.server == name
end

local function first_own(seen, responses)
  for _, message in ipairs(responses) do
    if is_own(message, seen.proxy) then return message end
  end
end

local function same_list(a, b)
  if #a ~= #b then return false end
  for i = 1, #a do
    if a[i] ~= b[i] then return false end
  end
  return true
end

-- Which part of the one is not as in the other.
local function change_of(is, was)
  if is.status ~= was.status then return "status" end
  if is.method ~= was.method then return "method" end
  if is.target ~= was.target then return "target" end
  if not is.by_name or not was.by_name or not is.status and not is.method then
    return is.first ~= was.first and "head" or nil
  end
  if is.reason ~= was.reason then return "reason" end
  if is.method and (is.by_name.host or ""):lower() ~= (was.by_name.host or ""):lower() then return "Host" end
  if not same_list(is.fields, was.fields) then return #is.fields == #was.fields and "fields" or
    #is.fields < #was.fields and "fields dropped" or "fields added" end
  for _, name in ipairs { "date", "server" } do
    if was.by_name[name] and is.by_name[name] ~= was.by_name[name] then return name end
  end
  if is.by_name.upgrade ~= was.by_name.upgrade then return "Upgrade" end
  if is.by_name.te ~= was.by_name.te then return "TE" end
  if is.body ~= was.body then return "body" end
  if not same_list(is.trailers, was.trailers) then
    return #is.trailers < #was.trailers and "trailers dropped" or "trailers"
  end
  if is.complete ~= was.complete then return is.complete and "ended as whole" or "unfinished" end
end

local function changes(is, was)
  for i, message in ipairs(was) do
    if not is[i] then return i == 1 and "nothing" or "not all of it" end
    local change = change_of(is[i], message)
    if change then return change end
  end
  if #is > #was then return "more than it" end
end

local function fewest_changes(is, texts, read)
  local change
  for i, text in ipairs(texts) do
    local one = changes(is, read(text))
    if not one then return nil end
    if i == 1 then change = one end
  end
  return change
end

local function refusal(seen, own)
  if own then return ("refused(%d)"):format(own.status) end
  return seen.client_end and "refused(closed)" or "refused(silent)"
end

-- It had to be refused before the backend saw it, or, with backend_cut, before it saw the end.
local function of_refused_request(case, seen, own)
  if seen.backend == "" then return refusal(seen, own) end
  local requests = requests_in(seen.backend)
  local first = requests[1]
  if not first.complete then return refusal(seen, own) .. ", begun" end
  local change = changes({ first }, { read_message((text_of(case.send):gsub("^[\r\n]+", "")), 1) })
  return change and "passed, changed: " .. change or "passed"
end

local function final_in(messages)
  for i, message in ipairs(messages) do
    if not message.status or message.status >= 200 then return message, i end
  end
end

-- The backend's answer was to be refused.
local function of_refused_response(case, seen, own, responses)
  if own then return refusal(seen, own) end
  local final = final_in(responses)
  if not final then return refusal(seen) end
  if not final.complete then return seen.client_end and "cut" or "left open" end
  local was = final_in(read_all(text_of(case.answers and case.answers[1] or case.answer), methods_sent(case), "end"))
  local change = was and change_of(final, was)
  return change and "passed, changed: " .. change or "passed"
end

-- The client was to see that its answer is unfinished.
local function of_cut(seen, own, responses)
  if own then return refusal(seen, own) end
  local final = final_in(responses)
  if not final then return refusal(seen) end
  if not final.complete then return seen.client_end and "cut" or "left open" end
  return "ended as whole"
end

local function of_passed(case, seen, wanted, own, responses)
  local methods = methods_sent(case)
  local function read_answers(text) return read_all(text, methods, "end") end
  local change = fewest_changes(responses, wanted.client, read_answers)
  if not change then return "passed" end
  if own then return refusal(seen, own) end
  local final = final_in(responses)
  if not final then return refusal(seen) end
  if not final.complete then return seen.client_end and "cut" or "left open" end
  return "passed, changed: " .. change .. " of the response"
end

-- The proxy was to answer it, not to forward it.
local function of_answered_here(case, seen, responses)
  if seen.backend ~= "" then return of_refused_request(case, seen) end
  local final = final_in(responses)
  if not final then return refusal(seen) end
  return final.status < 400 and ("answered(%d)"):format(final.status) or refusal(seen, final)
end

local function judge(case, seen, wanted)
  local responses = read_all(seen.client, methods_sent(case), seen.client_end)
  local own = first_own(seen, responses)
  if not wanted.backend and not case.refused then return of_answered_here(case, seen, responses) end
  local is_request = case.refused and not case.answer and not case.answers
  if is_request and not case.backend or case.backend_cut and case.refused then
    return of_refused_request(case, seen, own)
  end
  local requests = requests_in(seen.backend)
  if not case.backend_cut then
    local change = fewest_changes(requests, wanted.backend, requests_in)
    if seen.backend == "" then return refusal(seen, own) end
    if change then return "passed, changed: " .. change end
  elseif requests[1] and requests[1].complete then
    return "passed, changed: ended as whole"
  end
  if case.cut then return of_cut(seen, own, responses) end
  if case.refused and not is_request then return of_refused_response(case, seen, own, responses) end
  if is_request then return own and refusal(seen, own) or "passed" end
  return of_passed(case, seen, wanted, own, responses)
end

local function lost_canary(seen)
  for _, one in ipairs(seen.canaries) do
    local message = read_message(one.client, 1, "GET", one.client_end)
    if message.body ~= "GET " .. one.target then return true end
  end
  return false
end

function verdict.of(case, seen, wanted)
  return judge(case, seen, wanted) .. (lost_canary(seen) and "; canary lost" or "")
end

function verdict.family(text)
  return (text:gsub("^(%l+)%b()", "%1"):gsub(", begun", ""):gsub(", changed: .*", ", changed"))
end

return verdict
