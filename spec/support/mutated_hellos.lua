-- mutated_hellos - mutated ClientHellos through net/tls_hello, without sockets.
--
--   mutated_hellos.run { seed =, from =, to = }    findings as of spec/support/campaign.lua; counts
--
-- The second reader of spec/support/hello.lua reads the same; a bad hello stays bad with more
-- bytes; and for each beginning of a good hello more bytes are wanted.

local hello = require "spec.support.hello"
local mutate = require "spec.support.mutate"

local mutated_hellos = {}

local FINDINGS_PER_KIND = 20
local TYPES = { 0, 5, 10, 11, 13, 16, 21, 35, 41, 42, 43, 45, 51, 0x0a0a, 0xff01 }
local CONTENTS = { "", "\0", "\2\104\50", "\0\3\2h2", "\0\6\0\0\3a.b", "\4\3\4\3\3", "\2\3\4", ("x"):rep(40) }
local NAMES = { "a.example", "shop.example.", "192.0.2.1", "A.B", "a b", ("a"):rep(64), "x" }

local function made(r)
  local extensions = {}
  for i = 1, r:below(4) do extensions[i] = hello.extension(r:pick(TYPES), r:pick(CONTENTS)) end
  return hello.message {
    name = r:one_in(3) and r:pick(NAMES) or nil, alpn = r:one_in(3) and { "h2", "http/1.1" } or nil,
    versions = r:one_in(2) and { 0x0304, 0x0303 } or nil, session = ("s"):rep(r:below(4) * 11),
    extensions = not r:one_in(8) and extensions, length = r:one_in(30) and r:below(300) or nil,
  }
end

local function mutated(r, bytes)
  for _ = 1, r:below(4) do
    local at = r:below(#bytes) + 1
    local kind = r:below(4)
    local before, after = bytes:sub(1, at - 1), bytes:sub(at + 1)
    if kind == 0 then bytes = before .. string.char(r:below(256)) .. after
    elseif kind == 1 then bytes = before .. after
    elseif kind == 2 then bytes = before .. bytes:sub(at, at) .. string.char(r:below(4)) .. after
    else bytes = bytes:sub(1, at) end
    if bytes == "" then return "\22" end
  end
  return bytes
end

local function same(a, b)
  for name, value in pairs(a) do
    if type(value) == "table" then
      if table.concat(value, ",") ~= table.concat(b[name], ",") then return name end
    elseif value ~= b[name] then
      return name
    end
  end
end

local function judge(r, bytes)
  local step, seen = hello.read(bytes)
  local expected, judged = hello.judge(bytes)
  if step ~= expected then return ("it is %s, and for the second reader %s"):format(step, expected) end
  local differs = step == "ready" and same(judged, seen)
  if differs then return "the second reader differs in " .. differs end
  if step == "bad" or step == "ready" then
    local more = hello.read(bytes .. "\0\22\3\1")
    if more ~= step then return ("it is %s, and with more bytes %s"):format(step, more) end
  end
  if step == "ready" then
    local cut = hello.read(bytes:sub(1, r:below(seen.length)))
    if cut ~= "more" then return "its beginning is " .. cut end
  end
  return nil, step
end

function mutated_hellos.run(options)
  local findings, counts = {}, {}
  for number = options.from, options.to do
    local r = mutate.random(options.seed, number, 11)
    local bytes = mutated(r, hello.records(made(r), r:one_in(3) and r:below(60) + 1 or nil))
    local ok, what, counted = pcall(judge, r, bytes)
    if not ok then what = "an error: " .. tostring(what) end
    local kind = what and "found: " .. what or counted
    counts[kind] = (counts[kind] or 0) + 1
    if what and counts[kind] <= FINDINGS_PER_KIND then
      findings[#findings + 1] = { kind = "hellos", seed = options.seed, number = number, what = what, bytes = bytes }
    end
  end
  return findings, counts
end

return mutated_hellos
