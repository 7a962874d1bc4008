-- messages - takes the bytes of a connection apart into HTTP/1 messages, and makes chunked bodies
-- comparable. Pure.
--
--   messages.next(bytes, from)    the message that begins there, or nil if its head is not
--                                 complete: first (line), head (its bytes with the empty line),
--                                 method, target, version, host, is_chunked, data (the body so far,
--                                 its coding removed), after (trailers and the empty line),
--                                 complete, broken (its chunks are wrong), stop (first byte behind)
--   messages.merge(bytes)         the same bytes with every chunked body as one chunk: where chunks
--                                 are cut depends on reads. Only chunks as lb writes them are
--                                 merged; what is not stays as it is

local messages = {}

local function field(head, name)
  for line in head:gmatch "\r\n([^\r\n]+)" do
    local found, value = line:match "^([^:]*):[ \t]*(.-)[ \t]*$"
    if found and found:lower() == name then return value end
  end
end

-- Sizes as they are written by us: lower case, no zeros in front, no extension.
local function is_plain(line) return line == "0" or line:find "^[1-9a-f]%x*$" and not line:find "%u" end

local function read_chunks(message, bytes, at)
  local data = {}
  message.plain = true
  while true do
    local stop = bytes:find("\r\n", at, true)
    if not stop then
      if #bytes >= at and not bytes:find("^%x", at) then message.broken = true end
      break
    end
    local line = bytes:sub(at, stop - 1)
    local size = tonumber(line:match "^%x+" or "", 16)
    if not size then message.broken = true break end
    message.plain = message.plain and is_plain(line)
    at = stop + 2
    if size == 0 then
      -- The empty line at once, or behind trailers.
      local _, last = bytes:find("^\r\n", at)
      if not last then _, last = bytes:find("\r\n\r\n", at, true) end
      if last then message.after, message.complete, at = bytes:sub(at, last), true, last + 1 end
      break
    end
    data[#data + 1] = bytes:sub(at, math.min(at + size - 1, #bytes))
    if #bytes < at + size + 1 then at = #bytes + 1 break end
    if bytes:sub(at + size, at + size + 1) ~= "\r\n" then message.broken = true break end
    at = at + size + 2
  end
  message.data, message.stop = table.concat(data), at
end

local function read_counted(message, bytes, at)
  local length = tonumber(field(message.head, "content-length") or "") or 0
  -- An answer to HEAD, or a 304, has a length and no body.
  if bytes:find("^HTTP/1%.%d %d%d%d ", at) and message.status then length = 0 end
  -- math.min, as the largest length is too large for sub.
  message.data = bytes:sub(at, math.min(at + length - 1, #bytes))
  message.complete = #message.data == length
  message.stop = at + #message.data
end

function messages.next(bytes, from)
  local _, last = bytes:find("\r\n\r\n", from, true)
  if not last then return nil end
  local head = bytes:sub(from, last)
  local message = { head = head, first = head:match "^[^\r]*", host = field(head, "host"), complete = false }
  message.method, message.target, message.version = message.first:match "^(%S+) (%S+) HTTP/(%d%.%d)$"
  message.status = tonumber(message.first:match "^HTTP/%d%.%d (%d%d%d)" or "")
  message.is_chunked = (field(head, "transfer-encoding") or ""):lower():find("chunked", 1, true) ~= nil
  local read = message.is_chunked and read_chunks or read_counted
  read(message, bytes, last + 1)
  return message
end

function messages.merge(bytes)
  local merged, at = {}, 1
  while at <= #bytes do
    local message = messages.next(bytes, at)
    if not message then break end
    local _, body = bytes:find("\r\n\r\n", at, true)
    if not message.is_chunked or message.broken or not message.plain then
      merged[#merged + 1] = bytes:sub(at, message.stop - 1)
    else
      merged[#merged + 1] = bytes:sub(at, body)
      if #message.data > 0 then merged[#merged + 1] = ("%x\r\n%s\r\n"):format(#message.data, message.data) end
      if message.complete then merged[#merged + 1] = "0\r\n" .. message.after end
    end
    at = math.max(message.stop, body + 1)
    if message.broken or not message.complete then break end
  end
  return table.concat(merged) .. bytes:sub(at)
end

return messages
