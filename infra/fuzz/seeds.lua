-- The first inputs of the fuzzers, from the cases of spec/cases/h2_*.lua, and answers of DNS.
--
--   luajit infra/fuzz/seeds.lua DIRECTORY    makes frames/, fields/, hpack/ and answers/ there
--
-- The .c of each fuzzer says what its inputs have in front of the bytes.
local uv = require "luv"

package.path = "./?.lua;" .. package.path
local dns = require "spec.support.dns_wire"
local frames = require "spec.support.h2_frames"
local h2_conformance = require "spec.support.h2_conformance"
local hpack = require "spec.support.hpack"

local MOST = 4096 -- bytes of an input; what is longer has little that a shorter one has not
local directory = assert(arg[1], "seeds.lua DIRECTORY")
local counts = {}

local function add(kind, ...)
  local bytes = table.concat { ... }
  if #bytes > MOST then return end
  counts[kind] = (counts[kind] or 0) + 1
  local file = assert(io.open(("%s/%s/%04d"):format(directory, kind, counts[kind]), "w"))
  file:write(bytes)
  file:close()
end

-- Whole, in pieces, to an owner that answers, and to one that does anything.
local HOW = { "\12\0\0\0", "\14\5\0\0", "\46\9\1\2", "\58\30\7\7" }

local function add_conversation(bytes, of_server)
  for i, how in ipairs(HOW) do
    if of_server then how = string.char(how:byte() + 1) .. how:sub(2) end
    if i <= 2 or #bytes < 300 then add("frames", how, bytes) end
  end
end

-- --- what a client sends ---

local function bytes_of(case)
  local parts = {}
  for _, piece in ipairs(type(case.send) == "table" and case.send or { case.send }) do
    parts[#parts + 1] = type(piece) == "string" and piece or nil
  end
  return (case.raw and "" or frames.PREFACE .. frames.settings(case.settings)) .. table.concat(parts)
end

local function fields_of(list, kind)
  local parts = { string.char(kind, 2, 0) }
  for _, field in ipairs(list) do
    if #field[1] > 255 or #field[2] > 255 then return end
    parts[#parts + 1] = string.char(#field[1], #field[2]) .. field[1] .. field[2]
  end
  add("fields", table.concat(parts))
end

local KINDS = { request = 4, response = 1, trailers = 2 }

local function each_block(bytes, kind)
  local decoder, pieces, block = hpack.decoder(4096), {}, nil
  local at = bytes:sub(1, #frames.PREFACE) == frames.PREFACE and #frames.PREFACE + 1 or 1
  while true do
    local frame = frames.next(bytes, at)
    if not frame then break end
    at = frame.stop
    if frame.type == "HEADERS" then block = frames.body(frame)
    elseif frame.type == "CONTINUATION" and block then block = block .. frame.payload end
    if block and frame:has "END_HEADERS" then
      pieces[#pieces + 1] = string.char(#pieces * 16 % 256) .. frames.u16(#block % 65536) .. block
      local list = decoder:decode(block)
      if not list then break end
      fields_of(list, list[1] and list[1][1]:sub(1, 1) == ":" and kind or KINDS.trailers)
      block = nil
    end
  end
  if #pieces > 0 then add("hpack", table.concat(pieces)) end
end

-- --- what a server sends ---

local function answer(id, status, more, last)
  local fields = { { ":status", status }, { "server", "x" } }
  for _, field in ipairs(more or {}) do fields[#fields + 1] = field end
  return frames.headers(id, fields, { last = last })
end

local SERVED = {
  answer(1, "200") .. frames.data(1, "hello", { last = true }),
  answer(1, "103", { { "link", "a" } }) .. answer(1, "200", { { "content-length", "2" } }) .. frames.data(1, "ab")
    .. frames.headers(1, { { "x-sum", "1" } }, { last = true }),
  answer(5, "200", { { "content-length", "5" } }, true) .. answer(3, "204", nil, true) .. answer(1, "304", nil, true),
  answer(1, "200", { { "set-cookie", "a=b" }, { "set-cookie", "c=d" } }) .. frames.rst(1, "CANCEL"),
  frames.goaway(1, "NO_ERROR") .. answer(1, "404") .. frames.data(1, "", { last = true, padding = 9 }),
  frames.window(0, 70000) .. frames.window(3, 10) .. frames.ping() .. answer(3, "100") .. frames.push(3, 2, ""),
  frames.settings { { "INITIAL_WINDOW_SIZE", 3 }, { "MAX_CONCURRENT_STREAMS", 1 }, { "HEADER_TABLE_SIZE", 0 } }
    .. answer(3, "200", nil, true) .. frames.window(3, 100),
}

-- --- what a DNS server sends ---

local TYPES = { "A", "AAAA", "SRV", "TXT" }

local ANSWERS = {
  { answer = { dns.a("@", "10.0.0.1"), dns.aaaa("@", "fd00::1"), dns.srv("@", 1, 2, 80, "a.app.test"),
    dns.txt("@", 5, "one", "two") }, additional = { dns.a("a.app.test", "10.0.0.2"), dns.record("", "OPT", 0, "") } },
  { answer = { dns.cname("@", "b.test", 9), dns.cname("b.test", "c.test"), dns.a("c.test", "10.0.0.1"),
    dns.srv("c.test", 0, 0, 80, "."), dns.txt("c.test", 0, "") } },
  { answer = { dns.cname("@", "b.test"), dns.cname("b.test", "@") } },
  { rcode = 3, authority = { dns.soa("test", 4, 60) } },
  { tc = true, answer = { dns.a("@", "10.0.0.1", 2 ^ 31) } },
  { answer = { dns.record("@", "SRV", 1, "123456\192\12"), dns.record("\192\26", "A", 1, "1234") } },
}

local function add_answers()
  for _, message in ipairs(ANSWERS) do
    for i, type in ipairs(TYPES) do
      message.name, message.type = "app.test", type
      add("answers", string.char(i - 1), dns.message(message))
    end
  end
end

for _, kind in ipairs { "frames", "fields", "hpack", "answers" } do
  assert(uv.fs_mkdir(directory .. "/" .. kind, tonumber("755", 8)))
end
for _, case in ipairs(h2_conformance.load()) do
  local bytes = bytes_of(case)
  add_conversation(bytes)
  each_block(bytes, KINDS.request)
end
for _, bytes in ipairs(SERVED) do
  local whole = frames.settings { { "ENABLE_CONNECT_PROTOCOL", 1 } } .. bytes
  add_conversation(whole, true)
  each_block(whole, KINDS.response)
end
for _, kind in ipairs { "frames", "fields", "hpack" } do
  assert(counts[kind] and counts[kind] > 100, "too few seeds of " .. kind)
end
add_answers()
print(("seeds: %d of frames, %d of fields, %d of hpack, %d of answers"):format(counts.frames, counts.fields,
  counts.hpack, counts.answers))
