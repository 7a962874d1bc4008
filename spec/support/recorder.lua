-- recorder - a raw backend that keeps the exact bytes it was sent, and plays one case's answers.
--
--   recorder.new()            listens; r.address
--   r:begin(case, client)     forgets what it has seen, answers for this case from now on
--   r:text()                  what came since r:begin or r:mark, over all connections, in order
--   r:text_near(word)         the same, over those connections alone that had the word
--   r:mark()                  from here on
--   r:connections()           those over which something came since then: taps
--   r:stop()
--   recorder.answer(method, target)   "METHOD target": what answers a canary, or a case without one
--
-- A request for /canary-... is answered at once, with its own target, whatever the case says.

local uv = require "luv"
local loop = require "spec.support.loop"
local messages = require "spec.support.messages"
local tap = require "spec.support.tap"

local recorder = {}

local Recorder = {}
Recorder.__index = Recorder

function recorder.answer(method, target)
  local body = method .. " " .. target
  local head = ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"):format(#body)
  return method == "HEAD" and head or head .. body
end

local function is_canary(message) return message.target and message.target:find "^/canary%-" end

-- The text that an answer waits for before it begins, if it does.
local function waits_for(answer)
  local first = type(answer) == "table" and answer[1]
  return type(first) == "table" and first.got
end

local function play_answer(self, conn, answer)
  local case = self.case
  conn:play(answer, conn.case_from, function() return self.client:text() end)
  if case.answer_ends or case.answer_resets then
    conn:sent()
    if case.answer_resets then conn:reset() else conn:close() end
  end
  conn.plays = false
  if conn.ended then conn:close() end
end

local function begin_answer(self, conn, answer)
  local first = answer
  if type(answer) == "table" then first = answer[waits_for(answer) and 2 or 1] or "" end
  conn.is_tunnel = first:find "^HTTP/1.1 101" ~= nil
  conn.is_answered, conn.plays, self.answered = true, true, self.answered + 1
  loop.go(play_answer, self, conn, answer)
end

local function look_at(self, conn, message)
  local answers = self.case.answers
  local answer = answers and answers[self.answered + 1] or self.case.answer
    or recorder.answer(message.method, message.target)
  local early = waits_for(answer)
  if message.complete or early and conn:text(conn.case_from):find(early, 1, true) then
    begin_answer(self, conn, answer)
  end
end

-- Takes the requests off what came over a connection, and answers them.
local function read_requests(self, conn)
  while not conn.is_tunnel do
    local message = messages.next(conn.pending, 1)
    if not message or not message.method then return end
    if not is_canary(message) then
      if not conn.is_answered then look_at(self, conn, message) end
    elseif message.complete then
      conn:send(recorder.answer(message.method, message.target))
    end
    if not message.complete then return end
    conn.is_answered = false
    conn.pending = conn.pending:sub(message.stop)
  end
end

local function take(self, conn, bytes)
  if bytes then
    conn.case_from = conn.case_from or conn:length() - #bytes + 1
    conn.pending = conn.pending .. bytes
    table.insert(self.log, { conn = conn, bytes = bytes })
    read_requests(self, conn)
  else
    conn.ended_by_proxy = true
    if not conn.plays then conn:close() end
  end
end

local function on_connection(self)
  local handle = uv.new_tcp()
  assert(self.listener:accept(handle) == 0)
  self.accepted = self.accepted + 1
  local conn = tap.wrap(handle, "backend." .. self.accepted, function(conn, bytes) take(self, conn, bytes) end)
  conn.pending = ""
  self.conns[conn] = true
end

function recorder.new()
  local self = setmetatable({ log = {}, conns = {}, accepted = 0, answered = 0, case = {} }, Recorder)
  self.listener = uv.new_tcp()
  assert(self.listener:bind("127.0.0.1", 0))
  assert(self.listener:listen(128, loop.callback(function(err)
    assert(not err, err)
    on_connection(self)
  end)))
  self.address = "127.0.0.1:" .. self.listener:getsockname().port
  return self
end

-- A connection with half a request on it would tell the next case's bytes wrongly.
local function ready_for_a_case(conn)
  if conn.pending ~= "" or conn.is_tunnel then conn:close() end
  conn.case_from = nil
  return not conn.handle:is_closing()
end

function Recorder:begin(case, client)
  self.case, self.client, self.log, self.answered = case, client, {}, 0
  for conn in pairs(self.conns) do
    if not ready_for_a_case(conn) then self.conns[conn] = nil end
  end
end

function Recorder:mark() self.log = {} end

function Recorder:text()
  local parts = {}
  for i, entry in ipairs(self.log) do parts[i] = entry.bytes end
  return table.concat(parts)
end

function Recorder:text_near(word)
  local of = {}
  for _, entry in ipairs(self.log) do of[entry.conn] = (of[entry.conn] or "") .. entry.bytes end
  local parts = {}
  for _, conn in ipairs(self:connections()) do
    if of[conn]:find(word, 1, true) then parts[#parts + 1] = of[conn] end
  end
  return table.concat(parts)
end

function Recorder:connections()
  local seen, list = {}, {}
  for _, entry in ipairs(self.log) do
    if not seen[entry.conn] then
      seen[entry.conn] = true
      list[#list + 1] = entry.conn
    end
  end
  return list
end

function Recorder:stop()
  self.listener:close()
  for conn in pairs(self.conns) do conn:close() end
end

return recorder
